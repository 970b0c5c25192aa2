"""View: the error that a what-if setting would make at one layer, clipped and rounded, by modality."""

from morphoquant.figures.split_bars import split_bars
from morphoquant.queries.sources import capture_of
from morphoquant.queries.what_if import layer_sums, predict
from morphoquant.queries.what_if_frames import split_frame
from morphoquant.queries.what_if_inputs import layer_inputs
from morphoquant.queries.what_if_runs import measured_run
from morphoquant.queries.what_if_tokens import kept_tokens, token_sums
from morphoquant.queries.worst import worst_layer
from morphoquant.views.base import VIEWS, View


def _query(store, runs, selection):
    capture = capture_of(store, runs)
    layer = selection.layer or worst_layer(capture, selection, with_histogram=True)
    settings = selection.what_if
    if settings.granularity == "token":
        settings.check()
        sums = token_sums(kept_tokens(capture, layer), settings, selection)
    else:
        sums = layer_sums(predict(layer_inputs(capture, layer), settings), selection)
    return split_frame(sums, selection, measured_run(store, capture, settings))


VIEWS.add(
    "what_if_split",
    View(
        name="what_if_split",
        title="Clipping against rounding",
        question="Would this layer's error come from clipping or from rounding, in each modality?",
        how_to_read="Much clipping asks for a wider grid or a bypass, much rounding for a narrower grid or for more bits.",
        takes=frozenset({"layer", "modalities", "positions", "what_if"}),
        runs="capture",
        query=_query,
        draw=lambda frame, selection: split_bars(frame.assign(layer=None)),
    ),
)
