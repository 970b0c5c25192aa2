"""View: the error of every layer, before and after."""

from morphoquant.figures.chosen_point import ring_layer
from morphoquant.figures.depth_lines import depth_lines
from morphoquant.queries.compare import before_and_after
from morphoquant.views.base import VIEWS, Measure, View, chosen

MEASURES = (
    Measure("output_sqnr_db", "Output SQNR", "dB"),
    Measure("input_sqnr_db", "Input SQNR", "dB"),
    Measure("output_nmse", "Output error power over signal power", "1", log=True),
    Measure("input_nmse", "Input error power over signal power", "1", log=True),
    Measure("output_mse", "Output mean squared error", "activation units\u00b2", log=True),
    Measure("input_mse", "Input mean squared error", "activation units\u00b2", log=True),
    Measure("output_cosine", "Output cosine to full precision", "1"),
    Measure("input_cosine", "Input cosine to full precision", "1"),
    Measure("inlier_sqnr_db", "Input SQNR of inlier channels", "dB"),
    Measure("outlier_sqnr_db", "Input SQNR of outlier channels", "dB"),
    Measure("bypass_density", "Input values that bypass the grid", "%"),
)


def _query(store, runs, selection):
    return before_and_after(runs, selection, chosen(MEASURES, selection).name)


def _draw(frame, selection):
    measure = chosen(MEASURES, selection)
    return ring_layer(depth_lines(frame, measure.axis, log=measure.log), selection.layer)


VIEWS.add(
    "layer_error",
    View(
        name="layer_error",
        title="Layer error",
        question="Which layer loses the signal, and in which modality?",
        how_to_read="Higher SQNR is better, 6 dB are one bit; hollow or dashed is the run before, filled "
        "or solid the run after. "
        "A layer without error has no point, a chosen one a ring.",
        takes=frozenset({"component", "role", "modalities", "positions", "measure"}),
        rings=frozenset({"layer"}),
        runs="many",
        query=_query,
        draw=_draw,
        measures=MEASURES,
        most=2,
    ),
)
