"""View: accuracy of methods and specs by subject or task."""

from morphoquant.core.meanings import KL
from morphoquant.figures.answer_dots import Quantity, answer_dots
from morphoquant.queries.accuracy import accuracy
from morphoquant.queries.evaluations import by_spec, evaluated, full_precision_of
from morphoquant.views.base import VIEWS, Measure, View, chosen, of_subjects

_RIGHT = "A dot is the share of right answers."
_SAME = "A dot is the share of items answered as in full precision, right or wrong."
MEASURES = (
    Measure("accuracy", "Accuracy by subject", "%", meaning=_RIGHT),
    Measure("accuracy_by_task", "Accuracy by task", "%", meaning=_RIGHT),
    Measure("kl", "KL to full precision by subject", "nats", meaning=KL),
    Measure("kl_by_task", "KL to full precision by task", "nats", meaning=KL),
    Measure("agreement", "Same answer by subject", "%", meaning=_SAME),
    Measure("agreement_by_task", "Same answer by task", "%", meaning=_SAME),
)
_MARKS = (("chance", "chance"), ("shuffled", "media of other items"))
QUANTITIES = {
    "accuracy": Quantity("accuracy", "low", "high", "Accuracy (%)", 100.0, 100.0, _MARKS),
    "kl": Quantity("kl", "kl_low", "kl_high", "KL to full precision (nats)"),
    "agreement": Quantity("agreement", "agreement_low", "agreement_high", "Same answer (%)", 100.0, 100.0),
}


def _by(selection) -> str:
    return "task" if chosen(MEASURES, selection).name.endswith("_by_task") else "subject"


def _query(store, runs, selection):
    runs = by_spec(evaluated(runs))
    frame = accuracy(runs, _by(selection), reference=full_precision_of(store, runs[0]))
    return of_subjects(frame, selection)


def _draw(frame, selection):
    name = chosen(MEASURES, selection).name.removesuffix("_by_task")
    return answer_dots(frame, _by(selection), QUANTITIES[name])


VIEWS.add(
    "accuracy",
    View(
        name="accuracy",
        title="Answers by method and bits",
        question="What does quantisation do to the answers, in which modality?",
        how_to_read="A line is the 95 % interval, the grey band that of full precision. "
        "Whether two methods differ is told by the paired test, which is sharper than two intervals.",
        takes=frozenset({"subjects", "measure"}),
        runs="evaluate",
        query=_query,
        draw=_draw,
        measures=MEASURES,
        most=None,
    ),
)
