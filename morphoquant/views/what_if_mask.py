"""View: which channels of a layer a what-if setting lets bypass."""

from morphoquant.figures.score_lines import score_lines
from morphoquant.queries.sources import capture_of
from morphoquant.queries.what_if import predict
from morphoquant.queries.what_if_frames import mask_frame
from morphoquant.queries.what_if_inputs import layer_inputs
from morphoquant.queries.worst import worst_layer
from morphoquant.views.base import VIEWS, View


def _query(store, runs, selection):
    capture = capture_of(store, runs)
    layer = selection.layer or worst_layer(capture, selection, with_histogram=True)
    return mask_frame(predict(layer_inputs(capture, layer), selection.what_if))


VIEWS.add(
    "what_if_mask",
    View(
        name="what_if_mask",
        title="Outlier mask",
        question="Which channels of this input would bypass the grid?",
        how_to_read="The score is the channel's range over log(1 + mean magnitude); the limit is mean + sigma times the standard "
        "deviation of the layer's scores.",
        takes=frozenset({"layer", "what_if"}),
        runs="capture",
        query=_query,
        draw=lambda frame, selection: score_lines(frame),
    ),
)
