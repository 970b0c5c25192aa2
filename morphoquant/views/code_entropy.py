"""View: the entropy of the codes over depth."""

from morphoquant.figures.depth_lines import depth_lines
from morphoquant.queries.entropy import code_entropy
from morphoquant.queries.sources import capture_of, quantized, static
from morphoquant.views.base import VIEWS, View


def _query(store, runs, selection):
    return code_entropy(static(quantized(runs)[0]), capture_of(store, runs), selection)


def _draw(frame, selection):
    offered = frame["offered"].max()
    figure = depth_lines(frame, f"Entropy of the codes (bits; dotted: {offered:.3g} offered)", reference=offered)
    return figure.update_yaxes(range=[0.0, 1.06 * offered])


VIEWS.add(
    "code_entropy",
    View(
        name="code_entropy",
        title="Entropy of the codes",
        question="How many of its bits does each layer's grid really use, and for which modality?",
        how_to_read="One point a layer input, the mean over its channels (of 64, where there are more). Far below the dotted "
        "line most values of that modality share few codes: outliers, often those of another one, have stretched the grid.",
        takes=frozenset({"component", "role", "modalities", "positions"}),
        runs="quantize",
        query=_query,
        draw=_draw,
    ),
)
