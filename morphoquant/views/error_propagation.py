"""View: the error of hidden states over the depth of the model, each block alone and all accumulated."""

from morphoquant.core.meanings import COSINE, NMSE, SQNR
from morphoquant.figures.propagation_lines import propagation_lines
from morphoquant.queries.propagation import propagation
from morphoquant.views.base import VIEWS, Measure, View, chosen

MEASURES = (
    Measure("sqnr_db", "SQNR of the hidden state", "dB", meaning=SQNR),
    Measure("cosine", "Cosine to full precision, mean over tokens", meaning=COSINE),
    Measure("nmse", "Error power over signal power", meaning=NMSE),
)


def _draw(frame, selection):
    measure = chosen(MEASURES, selection)
    return propagation_lines(frame, measure.name, measure.axis)


VIEWS.add(
    "error_propagation",
    View(
        name="error_propagation",
        title="Error of hidden states over depth",
        question="Does the error build up from block to block, and in which modality?",
        how_to_read="Dashed: only this block is quantised, its input is in full precision. Solid: everything in scope is "
        "quantised, so errors accumulate. Taken behind each block, on the residual stream; towers, connectors and language model "
        "stand in the order of the forward. Where the solid line falls while the dashed one stays, no single block is to blame.",
        takes=frozenset({"component", "modalities", "positions", "measure"}),
        runs="inspect",
        query=lambda store, runs, selection: propagation(runs, selection),
        draw=_draw,
        measures=MEASURES,
        most=None,
    ),
)
