"""View: clipping against rounding."""

from morphoquant.figures.chosen_point import ring_layer
from morphoquant.figures.depth_lines import depth_lines
from morphoquant.figures.split_bars import split_bars
from morphoquant.queries.sources import quantized
from morphoquant.queries.split import clipping_and_rounding
from morphoquant.views.base import VIEWS, Measure, View, chosen

MEASURES = (Measure("nmse", "Error power by modality", "%"), Measure("clip_share", "Error from clipping", "%"))


def _draw(frame, selection):
    if chosen(MEASURES, selection).name == "nmse":
        return split_bars(frame)
    layers = frame[frame["layer"].notna() & frame["clip_share_percent"].notna()]
    figure = depth_lines(layers.rename(columns={"clip_share_percent": "value"}), chosen(MEASURES, selection).axis)
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
    ),
)
