"""View: the worst layers."""

from dataclasses import replace

from morphoquant.figures.worst_bars import worst_bars
from morphoquant.queries.sources import capture_of
from morphoquant.queries.worst import worst_layers
from morphoquant.views.base import VIEWS, View, chosen
from morphoquant.views.depth_profile import MEASURES as DEPTH_MEASURES

# Bars need a linear axis, whatever the measure's; the scale-free measure comes first.
MEASURES = tuple(
    replace(measure, log=False) for measure in sorted(DEPTH_MEASURES, key=lambda measure: measure.name != "max_median_ratio")
)


def _query(store, runs, selection):
    return worst_layers(capture_of(store, runs), selection, chosen(MEASURES, selection).name)


VIEWS.add(
    "worst_layers",
    View(
        name="worst_layers",
        title="Worst layers",
        question="Which layer inputs have the strongest outliers?",
        how_to_read="A bar has the colour of the modality with the largest value in that layer; dots are the other modalities.",
        takes=frozenset({"component", "role", "modalities", "positions", "measure"}),
        runs="capture",
        query=_query,
        draw=lambda frame, selection: worst_bars(frame, chosen(MEASURES, selection).axis),
        measures=MEASURES,
    ),
)
