"""View: two evaluations on the same items."""

from morphoquant.core.errors import CompareError
from morphoquant.figures.difference_dots import difference_dots
from morphoquant.queries.evaluations import evaluated, evaluation_labels
from morphoquant.queries.paired import paired
from morphoquant.views.base import VIEWS, Measure, View, chosen, of_subjects

MEASURES = (Measure("task", "By task"), Measure("subject", "By subject"))


def _query(store, runs, selection):
    runs = evaluated(runs)
    if len(runs) != 2:
        raise CompareError(f"a paired test is of two evaluations, {len(runs)} is chosen: choose what to set it against.")
    frame = paired(runs[0], runs[1], chosen(MEASURES, selection).name)
    first, second = evaluation_labels(runs)
    frame = frame.assign(first_label=first, second_label=second)
    return of_subjects(frame, selection)


VIEWS.add(
    "paired_test",
    View(
        name="paired_test",
        title="Is the difference more than noise?",
        question="Does one method answer better than the other on the same items, or is the difference noise?",
        how_to_read="Left of zero answers were lost, right of it won. Lines are 95 % intervals of one row alone; a dot is filled "
        "where the exact McNemar test, raised for the number of rows by Holm's rule, has p < 0.05.",
        takes=frozenset({"subjects", "measure"}),
        runs="evaluate",
        query=_query,
        draw=lambda frame, selection: difference_dots(frame),
        measures=MEASURES,
        most=2,
    ),
)
