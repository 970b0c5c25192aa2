"""View: sensitivity over the depth of the model."""

from morphoquant.figures.depth_lines import depth_lines
from morphoquant.figures.theme import subject_colour
from morphoquant.queries.sensitivity import POOLED, sensitivity
from morphoquant.views.base import VIEWS, View


def _query(store, runs, selection):
    frame = sensitivity(runs[0], selection.subjects)
    frame = frame[(frame["subject"] != POOLED) & (frame["kl"] > 0)]
    if selection.component:
        frame = frame[frame["component"] == selection.component]
    return frame.rename(columns={"group": "layer", "kl": "value"}).sort_values("order", kind="stable").reset_index(drop=True)


def _draw(frame, selection):
    axis = "KL of the answers to full precision (nats, log scale)"
    return depth_lines(frame, axis, log=True, series="subject", colour=subject_colour)


VIEWS.add(
    "sensitivity_depth",
    View(
        name="sensitivity_depth",
        title="Sensitivity over depth",
        question="Where in the model does quantisation move the answers, and in which modality?",
        how_to_read="One point a group that is quantised alone, one colour a subject; a group that moves no answer of a subject, "
        "as a vision layer and a text question, has no point.",
        takes=frozenset({"component", "subjects"}),
        runs="sensitivity",
        query=_query,
        draw=_draw,
    ),
)
