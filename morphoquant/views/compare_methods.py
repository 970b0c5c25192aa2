"""View: methods and specs against each other."""

from morphoquant.core.meanings import BYPASS, SQNR
from morphoquant.figures.method_bars import method_bars
from morphoquant.queries.compare import compare_methods
from morphoquant.views.base import VIEWS, Measure, View, chosen

MEASURES = (
    Measure("pooled_sqnr_db", "Output SQNR, layers pooled", "dB", meaning=SQNR),
    Measure("worst_sqnr_db", "Output SQNR of the worst layer", "dB", meaning=SQNR),
    Measure("bypass_density", "Input values that bypass the grid", "%", meaning=BYPASS),
)


def _draw(frame, selection):
    measure = chosen(MEASURES, selection)
    return method_bars(frame, measure.name, measure.axis)


VIEWS.add(
    "compare_methods",
    View(
        name="compare_methods",
        title="Methods side by side",
        question="Which method keeps the most signal in each modality?",
        how_to_read="Powers are pooled over layers, so that loud layers count most; see the worst layer too.",
        takes=frozenset({"component", "role", "modalities", "positions", "measure"}),
        runs="many",
        query=lambda store, runs, selection: compare_methods(runs, selection),
        draw=_draw,
        measures=MEASURES,
        most=None,
    ),
)
