"""View: the quantisation levels of one channel over its distribution."""

from morphoquant.figures.level_lines import level_lines
from morphoquant.queries.placement import grid_placement
from morphoquant.queries.sources import capture_of, quantized, static
from morphoquant.queries.worst import worst_layer
from morphoquant.views.base import VIEWS, Beside, View


def _query(store, runs, selection):
    run, capture = static(quantized(runs)[0]), capture_of(store, runs)
    layer = selection.layer or worst_layer(capture, selection, with_histogram=True)
    return grid_placement(run, capture, selection, layer)


VIEWS.add(
    "grid_placement",
    View(
        name="grid_placement",
        title="Grid placement",
        question="Where do the quantisation levels of this channel stand, and what do they miss?",
        how_to_read="Thin upright lines are the levels; values beyond the solid edges are clipped, "
        "those beyond the dotted limit bypass the grid. Lines and codes are of the calibration samples, "
        "clipped and bypassed shares of the evaluation samples.",
        takes=frozenset({"layer", "channel", "modalities", "positions"}),
        runs="quantize",
        query=_query,
        draw=lambda frame, selection: level_lines(frame),
        beside=Beside(),
    ),
)
