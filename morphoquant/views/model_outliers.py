"""View: the model as a diagram, coloured by the outliers of each linear's input."""

from morphoquant.figures.model_map import model_map
from morphoquant.queries.model_map import outlier_map
from morphoquant.queries.sources import capture_of
from morphoquant.views.base import VIEWS, Measure, View, chosen
from morphoquant.views.depth_profile import MEASURES as DEPTH_MEASURES

MEASURES = (
    *DEPTH_MEASURES,
    Measure("tokens", "Tokens seen", "tokens", log=True, meaning="A statistic of few tokens says little."),
)


def _query(store, runs, selection):
    return outlier_map(capture_of(store, runs), selection, chosen(MEASURES, selection).name)


def _draw(frame, selection):
    measure = chosen(MEASURES, selection)
    return model_map(frame, measure.axis, log=measure.log, low_is_worse=measure.name == "tokens", chosen=selection.layer)


VIEWS.add(
    "model_outliers",
    View(
        name="model_outliers",
        title="Outliers in the model",
        question="In which tower, block and linear do the outliers stand?",
        how_to_read="A cell is a linear, a column a block; yellow is worse: the largest of the chosen modalities, for tokens few "
        "of all. Linears with one input share a colour; grey ones saw none of these modalities, a chosen one is framed.",
        takes=frozenset({"component", "role", "modalities", "positions", "measure"}),
        rings=frozenset({"layer"}),
        runs="capture",
        query=_query,
        draw=_draw,
        measures=MEASURES,
    ),
)
