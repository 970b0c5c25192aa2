"""View: what is clipped and what bypasses the grid."""

from morphoquant.core.meanings import BYPASS, CLIPPED
from morphoquant.figures.depth_lines import depth_lines
from morphoquant.queries.sources import quantized
from morphoquant.queries.use import grid_use
from morphoquant.views.base import VIEWS, Measure, View, chosen

MEASURES = (
    Measure("clipped_share", "Values clipped by the grid", "%", meaning=CLIPPED),
    Measure("bypassed_share", "Values that bypass the grid", "%", meaning=BYPASS),
)


def _query(store, runs, selection):
    return grid_use(quantized(runs)[0], selection, chosen(MEASURES, selection).name)


VIEWS.add(
    "grid_use",
    View(
        name="grid_use",
        title="Clipped and bypassed values",
        question="How much of each modality does the grid clip, and how much passes beside it?",
        how_to_read="One point a layer input, one colour a modality.",
        takes=frozenset({"component", "role", "modalities", "positions", "measure"}),
        runs="quantize",
        query=_query,
        draw=lambda frame, selection: depth_lines(frame, chosen(MEASURES, selection).axis).update_yaxes(rangemode="nonnegative"),
        measures=MEASURES,
    ),
)
