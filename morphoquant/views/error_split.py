"""View: clipping against rounding."""

from morphoquant.core.meanings import CLIP_SHARE, NMSE
from morphoquant.figures.chosen_point import ring_layer
from morphoquant.figures.depth_lines import depth_lines
from morphoquant.figures.split_bars import split_bars, split_differences
from morphoquant.queries.differences import splits_less
from morphoquant.queries.sources import quantized
from morphoquant.queries.split import clipping_and_rounding
from morphoquant.views.base import VIEWS, Beside, Measure, View, chosen

MEASURES = (
    Measure("nmse", "Error power by modality", "%", meaning=NMSE),
    Measure("clip_share", "Error from clipping", "%", meaning=CLIP_SHARE),
)


def _draw(frame, selection):
    if chosen(MEASURES, selection).name == "nmse":
        return split_bars(frame)
    return _by_layer(frame, selection, chosen(MEASURES, selection).axis)


def _draw_less(frame, selection):
    if chosen(MEASURES, selection).name == "nmse":
        return split_differences(frame)
    return _by_layer(frame, selection, "Change of the error from clipping (percentage points)", reference=0.0)


def _by_layer(frame, selection, axis, reference=None):
    layers = frame[frame["layer"].notna() & frame["clip_share_percent"].notna()]
    figure = depth_lines(layers.rename(columns={"clip_share_percent": "value"}), axis, reference=reference)
    return ring_layer(figure, selection.layer)


VIEWS.add(
    "error_split",
    View(
        name="error_split",
        title="Clipping against rounding",
        question="Is the error of the layer inputs made by clipping or by rounding?",
        how_to_read="Much clipping asks for a wider grid, much rounding for a narrower one or for more bits.",
        takes=frozenset({"component", "role", "modalities", "positions", "measure"}),
        rings=frozenset({"layer"}),
        runs="quantize",
        query=lambda store, runs, selection: clipping_and_rounding(quantized(runs)[0], selection),
        draw=_draw,
        measures=MEASURES,
        beside=Beside(
            title="Clipping and rounding less those of the first run",
            how_to_read="Below zero the run has less error of that kind than the first run, above zero more.",
            less=lambda frame, reference, selection: splits_less(frame, reference),
            draw=_draw_less,
        ),
    ),
)
