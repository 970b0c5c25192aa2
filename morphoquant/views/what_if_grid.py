"""View: the levels that a what-if setting would give one channel, over its distribution."""

from morphoquant.figures.level_lines import level_lines
from morphoquant.queries.sources import capture_of
from morphoquant.queries.what_if import predict
from morphoquant.queries.what_if_frames import grid_frame
from morphoquant.queries.what_if_inputs import layer_inputs
from morphoquant.queries.worst import worst_layer
from morphoquant.views.base import VIEWS, View


def _query(store, runs, selection):
    capture = capture_of(store, runs)
    layer = selection.layer or worst_layer(capture, selection, with_histogram=True)
    return grid_frame(predict(layer_inputs(capture, layer), selection.what_if), selection)


VIEWS.add(
    "what_if_grid",
    View(
        name="what_if_grid",
        title="Grid that this setting gives",
        question="Where would the quantisation levels of this channel stand, and what would they miss?",
        how_to_read="Thin upright lines are the levels; values beyond the solid edges are clipped, "
        "those beyond the dotted limit bypass the grid. Shares in the legend are of this channel's values.",
        takes=frozenset({"layer", "channel", "modalities", "positions", "what_if"}),
        runs="capture",
        query=_query,
        draw=lambda frame, selection: level_lines(frame),
    ),
)
