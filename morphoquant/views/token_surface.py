"""View: a layer's input by token and channel, as a surface."""

from functools import partial

from morphoquant.figures.token_surface import token_surface
from morphoquant.views.base import VIEWS, View
from morphoquant.views.token_map import MEASURES, query

_SINGLE = tuple(measure for measure in MEASURES if measure.name != "beside")

VIEWS.add(
    "token_surface",
    View(
        name="token_surface",
        title="The input as a surface",
        question="Do few channels of all tokens stand out of this layer's input, or few tokens, or single values?",
        how_to_read="Height and colour are the magnitude, on a linear scale. Ridges along the tokens are outlier channels "
        "(SmoothQuant, arXiv 2211.10438, figure 4); lone peaks are massive activations (arXiv 2402.17762, figure 1): "
        "with the first token taken in they dwarf all else.",
        takes=frozenset({"layer", "modalities", "positions", "measure"}),
        runs="capture",
        query=partial(query, measures=_SINGLE),
        draw=lambda frame, selection: token_surface(frame),
        measures=_SINGLE,
        caption=lambda frame: frame.attrs["tap"],
        after=True,
    ),
)
