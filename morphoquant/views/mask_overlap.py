"""View: how far modalities share their outlier channels."""

from morphoquant.figures.overlap_bars import overlap_bars
from morphoquant.queries.masks import mask_overlap
from morphoquant.queries.sources import capture_of
from morphoquant.views.base import VIEWS, View

VIEWS.add(
    "mask_overlap",
    View(
        name="mask_overlap",
        title="Overlap of outlier channels",
        question="Do the modalities have the same outlier channels?",
        how_to_read="Jaccard index: the share of the outlier channels of either modality that both have, 1 if they have the "
        "same ones, 0 if they share none. Bars count all layers together, a column of the map is one layer.",
        takes=frozenset({"component", "role", "modalities", "positions"}),
        runs="capture",
        query=lambda store, runs, selection: mask_overlap(capture_of(store, runs), selection),
        draw=lambda frame, selection: overlap_bars(frame),
    ),
)
