"""View: the ranges of one role's inputs over depth."""

from morphoquant.figures.ridge_lines import ridge_lines
from morphoquant.queries.ridges import range_ridges
from morphoquant.queries.sources import capture_of
from morphoquant.views.base import VIEWS, View

VIEWS.add(
    "range_ridges",
    View(
        name="range_ridges",
        title="Ranges over depth",
        question="How does the distribution of a role's input move from block to block, modality by modality?",
        how_to_read="A ridge is the share of values an octave of magnitude in one block, depth goes down; its dot is the largest "
        "value. A dot far to the right of its ridge is a range that a few values stretch.",
        takes=frozenset({"layer", "component", "role", "modalities", "positions"}),
        runs="capture",
        query=lambda store, runs, selection: range_ridges(capture_of(store, runs), selection),
        draw=lambda frame, selection: ridge_lines(frame),
    ),
)
