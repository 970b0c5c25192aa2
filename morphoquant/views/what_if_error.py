"""View: predicted error of every layer input by modality, beside a measured run of the same setting."""

from morphoquant.core.meanings import BYPASS, CLIP_SHARE, SQNR
from morphoquant.figures.depth_lines import depth_lines
from morphoquant.queries.sources import capture_of
from morphoquant.queries.what_if import predict
from morphoquant.queries.what_if_frames import model_frame
from morphoquant.queries.what_if_inputs import model_inputs
from morphoquant.queries.what_if_runs import measured_run
from morphoquant.views.base import VIEWS, Measure, View, chosen

MEASURES = (
    Measure("sqnr_db", "SQNR of the layer input", "dB", meaning=SQNR),
    Measure("clip_share", "Error from clipping", "%", meaning=CLIP_SHARE),
    Measure("bypassed", "Values that bypass the grid", "%", meaning=BYPASS),
)


def _query(store, runs, selection):
    capture = capture_of(store, runs)
    prediction = predict(model_inputs(capture, selection), selection.what_if)
    run = measured_run(store, capture, selection.what_if)
    return model_frame(prediction, selection, chosen(MEASURES, selection).name, run)


VIEWS.add(
    "what_if_error",
    View(
        name="what_if_error",
        title="Every layer",
        question="What would this setting do to every layer input, by modality?",
        how_to_read="Solid lines and full dots are predicted from the calibration samples; "
        "dashed lines and open dots are measured on the evaluation samples.",
        takes=frozenset({"component", "modalities", "positions", "measure", "what_if"}),
        runs="capture",
        query=_query,
        draw=lambda frame, selection: depth_lines(frame, chosen(MEASURES, selection).axis),
        measures=MEASURES,
    ),
)
