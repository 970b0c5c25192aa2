"""View: a layer's input by token and channel, as heat maps."""

from morphoquant.figures.token_map import token_map
from morphoquant.queries.sources import capture_of, quantized
from morphoquant.queries.standing_out import standing_out
from morphoquant.queries.token_channel import STAGES, token_channel
from morphoquant.queries.worst import worst_layer
from morphoquant.views.base import VIEWS, Measure, View, chosen

_UNIT = "activation units"
MEASURES = (
    Measure("before", "Before quantisation", _UNIT, log=True),
    Measure("beside", "Before, after and error", _UNIT, log=True),
    Measure("after", "After quantisation", _UNIT, log=True),
    Measure("error", "Error", _UNIT, log=True),
)


def query(store, runs, selection, measures=MEASURES):
    """The frame of `token_channel` of the chosen measure; all but what was before needs a quantize run."""
    measure, capture = chosen(measures, selection).name, capture_of(store, runs)
    layer = selection.layer or standing_out(capture, selection) or worst_layer(capture, selection)
    run = None if measure == "before" else quantized(runs)[0]
    return token_channel(capture, run, selection, layer, STAGES if measure == "beside" else (measure,))


VIEWS.add(
    "token_map",
    View(
        name="token_map",
        title="Tokens and channels",
        question="Which tokens and which channels of this layer's input carry the large values, and what does quantisation do to "
        "them?",
        how_to_read="Dark to bright is small to large, on a logarithmic scale. Bright columns are outlier channels, as in "
        "SmoothQuant's figure 4; bright spots in few tokens are massive activations, which first tokens of sequences often have.",
        takes=frozenset({"layer", "modalities", "positions", "measure"}),
        runs="capture",
        query=query,
        draw=lambda frame, selection: token_map(frame),
        measures=MEASURES,
        caption=lambda frame: frame.attrs["tap"],
        after=True,
    ),
)
