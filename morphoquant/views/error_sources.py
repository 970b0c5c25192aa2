"""View: weights against activations."""

from morphoquant.figures.source_bars import source_bars
from morphoquant.queries.sources import quantized
from morphoquant.queries.split import error_sources
from morphoquant.views.base import VIEWS, View

VIEWS.add(
    "error_sources",
    View(
        name="error_sources",
        title="Weights against activations",
        question="Does the error come from the weights or from the activations?",
        how_to_read="Higher is better; the lower of the first two bars is what holds the third one down.",
        takes=frozenset({"component", "role", "modalities", "positions"}),
        runs="quantize",
        query=lambda store, runs, selection: error_sources(quantized(runs)[0], selection),
        draw=lambda frame, selection: source_bars(frame),
    ),
)
