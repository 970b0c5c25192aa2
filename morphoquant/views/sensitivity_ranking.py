"""View: groups quantised alone, the most harmful first."""

from morphoquant.core.meanings import KL
from morphoquant.figures.sensitivity_bars import MOST, sensitivity_bars
from morphoquant.queries.sensitivity import sensitivity
from morphoquant.views.base import VIEWS, Measure, View, chosen

MEASURES = (
    Measure("kl", "KL of the answers to full precision", "nats", meaning=KL),
    Measure(
        "changed", "Answers that change", "%", meaning="Items that get another answer than in full precision, right or wrong."
    ),
    Measure(
        "accuracy_change",
        "Accuracy less full precision",
        "points",
        meaning="Share of right answers, less that in full precision.",
    ),
)


def _draw(frame, selection):
    measure = chosen(MEASURES, selection)
    return sensitivity_bars(frame, measure.name, measure.axis, 1.0 if measure.name == "kl" else 100.0)


VIEWS.add(
    "sensitivity_ranking",
    View(
        name="sensitivity_ranking",
        title="Most sensitive layer groups",
        question="Which layers must keep more bits, and for which modality?",
        how_to_read=f"The {MOST} groups whose quantisation alone moves the answers most, by KL over the chosen subjects; a bar "
        "is of all items, dots are of one subject. A group is all linears that share one input, named by its first.",
        takes=frozenset({"subjects", "measure"}),
        runs="sensitivity",
        query=lambda store, runs, selection: sensitivity(runs[0], selection.subjects),
        draw=_draw,
        measures=MEASURES,
    ),
)
