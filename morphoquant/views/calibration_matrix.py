"""View: the calibration matrix."""

from morphoquant.core.meanings import KL
from morphoquant.figures.calibration_map import calibration_map
from morphoquant.queries.calibration_matrix import calibration_matrix
from morphoquant.views.base import VIEWS, Measure, View, chosen, of_subjects

MEASURES = (
    Measure("accuracy", "Accuracy", "%", meaning="A cell is the share of right answers."),
    Measure(
        "difference", "Accuracy less full precision", "points", meaning="Share of right answers, less that in full precision."
    ),
    Measure("to_all", "Accuracy less calibrating on all", "points", meaning="Share of right answers, less that of the row all."),
    Measure("kl", "KL to full precision", "nats", meaning=KL),
)


def _query(store, runs, selection):
    frame = calibration_matrix(store, runs)
    return of_subjects(frame, selection)


def _draw(frame, selection):
    measure = chosen(MEASURES, selection)
    scale = 1.0 if measure.name == "kl" else 100.0
    return calibration_map(frame, measure.name, measure.axis, scale, measure.name in ("difference", "to_all"))


VIEWS.add(
    "calibration_matrix",
    View(
        name="calibration_matrix",
        title="Calibration matrix",
        question="Does calibrating on one modality hurt the others?",
        how_to_read="A row is what the method was calibrated on, a column what it was asked about; in brackets the difference "
        'to full precision in points. Compare a row with the row all; "noise" marks differences that the paired test cannot tell '
        "from none.",
        takes=frozenset({"subjects", "measure"}),
        runs="evaluate",
        query=_query,
        draw=_draw,
        measures=MEASURES,
        most=None,
    ),
)
