"""View: the model as a diagram, coloured by the error of each linear's output."""

from morphoquant.core.meanings import SQNR
from morphoquant.figures.model_map import model_map
from morphoquant.queries.model_map import error_map
from morphoquant.queries.sources import quantized
from morphoquant.views.base import VIEWS, Measure, View, chosen

MEASURES = (
    Measure("worst_sqnr_db", "Output SQNR of the worst modality", "dB", meaning=SQNR),
    Measure("pooled_sqnr_db", "Output SQNR, modalities pooled", "dB", meaning=SQNR),
)


def _query(store, runs, selection):
    return error_map(quantized(runs)[0], selection, chosen(MEASURES, selection).name)


def _draw(frame, selection):
    return model_map(frame, chosen(MEASURES, selection).axis, low_is_worse=True, chosen=selection.layer)


VIEWS.add(
    "model_error",
    View(
        name="model_error",
        title="Errors in the model",
        question="In which tower, block and linear does quantisation lose the signal?",
        how_to_read="A cell is a linear, a column a block; yellow is worse. Choose one modality to see its errors alone; "
        "grey linears were not quantised or have no error, a chosen one is framed.",
        takes=frozenset({"component", "role", "modalities", "positions", "measure"}),
        rings=frozenset({"layer"}),
        runs="quantize",
        query=_query,
        draw=_draw,
        measures=MEASURES,
    ),
)
