"""View: one attention map in full precision and quantised."""

from morphoquant.figures.attention_maps import attention_maps
from morphoquant.queries.attention import attention_pair
from morphoquant.views.base import VIEWS, View

VIEWS.add(
    "attention_pair",
    View(
        name="attention_pair",
        title="Attention, full precision against quantised",
        question="Which tokens lose sight of which?",
        how_to_read="A row is a token that attends, a column one that it attends to; bands and lines mark the modalities. A cell "
        "holds neighbouring tokens of one modality and shows their largest weight. In the change, blue is attention gained and "
        "red is attention lost; the first column, where attention sinks, may leave the scale.",
        takes=frozenset({"sample", "block", "head"}),
        runs="inspect",
        query=lambda store, runs, selection: attention_pair(runs[0], selection),
        draw=lambda frame, selection: attention_maps(frame),
    ),
)
