"""View: the error of every layer, before and after."""

from morphoquant.core.meanings import BYPASS, COSINE, MSE, NMSE, SQNR
from morphoquant.figures.chosen_point import ring_layer
from morphoquant.figures.depth_lines import depth_lines
from morphoquant.queries.compare import before_and_after
from morphoquant.queries.differences import errors_less
from morphoquant.views.base import VIEWS, Beside, Measure, View, chosen

MEASURES = (
    Measure("output_sqnr_db", "Output SQNR", "dB", meaning=SQNR),
    Measure("input_sqnr_db", "Input SQNR", "dB", meaning=SQNR),
    Measure("output_nmse", "Output error power over signal power", "1", log=True, meaning=NMSE),
    Measure("input_nmse", "Input error power over signal power", "1", log=True, meaning=NMSE),
    Measure("output_mse", "Output mean squared error", "activation units\u00b2", log=True, meaning=MSE),
    Measure("input_mse", "Input mean squared error", "activation units\u00b2", log=True, meaning=MSE),
    Measure("output_cosine", "Output cosine to full precision", "1", meaning=COSINE),
    Measure("input_cosine", "Input cosine to full precision", "1", meaning=COSINE),
    Measure("output_cosine_min", "Output cosine of the worst token", "1", meaning=COSINE),
    Measure("input_cosine_min", "Input cosine of the worst token", "1", meaning=COSINE),
    Measure("inlier_sqnr_db", "Input SQNR of inlier channels", "dB", meaning=SQNR),
    Measure("outlier_sqnr_db", "Input SQNR of outlier channels", "dB", meaning=SQNR),
    Measure("bypass_density", "Input values that bypass the grid", "%", meaning=BYPASS),
)


def _query(store, runs, selection):
    return before_and_after(runs, selection, chosen(MEASURES, selection).name)


def _draw(frame, selection):
    measure = chosen(MEASURES, selection)
    return ring_layer(depth_lines(frame, measure.axis, log=measure.log), selection.layer)


def _stages(frame):
    return "Hollow or dashed is the run before, filled or solid the run after." if frame["stage"].nunique() > 1 else ""


def _draw_less(frame, selection):
    measure = chosen(MEASURES, selection)
    axis = f"{measure.label}, of the first run's (ratio, log scale)" if measure.log else f"Change of {measure.axis}"
    return ring_layer(depth_lines(frame, axis, log=measure.log, reference=1.0 if measure.log else 0.0), selection.layer)


VIEWS.add(
    "layer_error",
    View(
        name="layer_error",
        title="Layer error",
        question="Which layer loses the signal, and in which modality?",
        how_to_read="A layer without error has no point, a chosen one a ring.",
        takes=frozenset({"component", "role", "modalities", "positions", "measure"}),
        rings=frozenset({"layer"}),
        runs="many",
        query=_query,
        draw=_draw,
        measures=MEASURES,
        most=2,
        caption=_stages,
        beside=Beside(
            title="Layer error less that of the first run",
            how_to_read="Of SQNR and cosine, layers above the line are better than in the first run; of the other measures, "
            "those below it. Decibels are subtracted layer by layer; measures on a log scale are divided.",
            less=lambda frame, reference, selection: errors_less(frame, reference, chosen(MEASURES, selection).log),
            draw=_draw_less,
        ),
    ),
)
