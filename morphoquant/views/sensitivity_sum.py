"""View: the sum of single groups against the whole."""

from morphoquant.figures.sum_bars import sum_bars
from morphoquant.queries.sensitivity import sum_and_whole
from morphoquant.views.base import VIEWS, View

VIEWS.add(
    "sensitivity_sum",
    View(
        name="sensitivity_sum",
        title="Sum of the groups against the whole",
        question="Do the harms of single groups add up, so that they can be traded one by one?",
        how_to_read="A whole above the sum: errors strengthen each other on the way through the model; below it: they overlap. "
        "Near equal bars can be both at once: whether groups can be chosen one by one is what the measured points of Bits by "
        "layer group say.",
        takes=frozenset({"subjects"}),
        runs="sensitivity",
        query=lambda store, runs, selection: sum_and_whole(runs[0], selection.subjects),
        draw=lambda frame, selection: sum_bars(frame),
    ),
)
