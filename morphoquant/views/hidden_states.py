"""View: hidden states along the principal axes of full precision."""

from morphoquant.figures.hidden_dots import hidden_dots
from morphoquant.queries.hidden import hidden_states
from morphoquant.views.base import VIEWS, Measure, View, chosen

MEASURES = (
    Measure("axes_1_2", "Axes 1 and 2"),
    Measure("axes_1_3", "Axes 1 and 3"),
    Measure("axes_2_3", "Axes 2 and 3"),
)


def _draw(frame, selection):
    one, other = chosen(MEASURES, selection).name.split("_")[1:]
    return hidden_dots(frame, (int(one), int(other)))


VIEWS.add(
    "hidden_states",
    View(
        name="hidden_states",
        title="Hidden states by modality",
        question="Do modalities stay apart inside the model, and where does quantisation push them?",
        how_to_read="Each dot is a token behind the block, along principal axes that are fitted to full precision, the same in "
        "all panels. A filled diamond is a modality's mean, an open one where it was in full precision. What two axes do not "
        "hold is not seen here.",
        takes=frozenset({"block", "modalities", "measure"}),
        runs="inspect",
        query=lambda store, runs, selection: hidden_states(runs, selection),
        draw=_draw,
        measures=MEASURES,
        most=None,
    ),
)
