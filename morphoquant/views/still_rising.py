"""View: which layers' ranges the second half of the samples still widened."""

from morphoquant.figures.chosen_point import ring_layer
from morphoquant.figures.depth_lines import depth_lines
from morphoquant.queries.settling import still_rising
from morphoquant.queries.sources import capture_of
from morphoquant.views.base import VIEWS, Measure, View, chosen

_ADDED = "How much of the final range only the second half of the samples added: near zero the first half was enough."
_LAGGING = "Channels whose range after half of the samples was below 90 % of what it became: near zero half was enough."
MEASURES = (
    Measure("added", "Range added by the second half of samples", "%", meaning=_ADDED),
    Measure("lagging", "Channels below 90 % of their range, half-way", "%", meaning=_LAGGING),
)


def _query(store, runs, selection):
    frame = still_rising(capture_of(store, runs), selection)
    return frame.assign(value=frame["lagging"]) if chosen(MEASURES, selection).name == "lagging" else frame


VIEWS.add(
    "still_rising",
    View(
        name="still_rising",
        title="Where ranges still rise",
        question="In which layers, and for which modality, did more samples still widen the ranges?",
        how_to_read="One point a layer input, one colour a modality. "
        "High points are layers whose static grids would be wider still with more samples. A chosen layer has a ring.",
        takes=frozenset({"component", "role", "modalities", "positions", "measure"}),
        rings=frozenset({"layer"}),
        runs="capture",
        query=_query,
        draw=lambda frame, selection: ring_layer(depth_lines(frame, chosen(MEASURES, selection).axis), selection.layer),
        measures=MEASURES,
    ),
)
