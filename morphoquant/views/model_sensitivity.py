"""View: the model as a diagram, coloured by what each linear's quantisation alone does to the answers."""

from morphoquant.core.meanings import KL
from morphoquant.figures.model_map import model_map
from morphoquant.queries.model_map import sensitivity_map
from morphoquant.views.base import VIEWS, Measure, View

MEASURE = Measure("kl", "KL of the answers to full precision", "nats", log=True)


def _draw(frame, selection):
    return model_map(frame, MEASURE.axis, log=True, series="subject", chosen=selection.layer)


VIEWS.add(
    "model_sensitivity",
    View(
        name="model_sensitivity",
        title="Sensitivity in the model",
        question="Which tower, block and linear moves the answers when it alone is quantised?",
        how_to_read="A cell is a linear, a column a block; yellow is worse. Linears with one input were quantised together and "
        f"share a colour; grey ones were not quantised, or moved no answer. A chosen one is framed. {KL}",
        takes=frozenset({"component", "subjects"}),
        rings=frozenset({"layer"}),
        runs="sensitivity",
        query=lambda store, runs, selection: sensitivity_map(store, runs[0], selection),
        draw=_draw,
    ),
)
