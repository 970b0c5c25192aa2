"""View: outlier channels of every layer."""

from morphoquant.figures.mask_map import mask_differences, mask_map
from morphoquant.queries.differences import masks_less
from morphoquant.queries.masks import outlier_masks
from morphoquant.queries.sources import capture_of
from morphoquant.views.base import VIEWS, Beside, View

VIEWS.add(
    "outlier_mask",
    View(
        name="outlier_mask",
        title="Outlier channels",
        question="Which channels are outliers in which modality?",
        how_to_read="A filled cell is a channel whose dispersion score is 2 standard deviations above its layer's mean; "
        "columns that run down are channels that stay outliers through the model.",
        takes=frozenset({"component", "role", "modalities", "positions"}),
        runs="capture",
        query=lambda store, runs, selection: outlier_masks(capture_of(store, runs), selection),
        draw=lambda frame, selection: mask_map(frame),
        beside=Beside(
            title="Outlier channels less those of the first run",
            how_to_read="Red channels are outliers in this run alone, blue ones in the first run alone, grey ones in both.",
            less=lambda frame, reference, selection: masks_less(frame, reference),
            draw=lambda frame, selection: mask_differences(frame),
        ),
    ),
)
