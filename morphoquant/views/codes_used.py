"""View: how many of its codes a grid uses."""

from morphoquant.figures.code_lines import code_lines
from morphoquant.queries.codes import codes_used
from morphoquant.queries.sources import capture_of, quantized, static
from morphoquant.queries.worst import worst_layer
from morphoquant.views.base import VIEWS, View


def _query(store, runs, selection):
    run, capture = static(quantized(runs)[0]), capture_of(store, runs)
    return codes_used(run, capture, selection, selection.layer or worst_layer(capture, selection, with_histogram=True))


VIEWS.add(
    "codes_used",
    View(
        name="codes_used",
        title="Codes in use",
        question="How many of its codes does each channel of this layer really use?",
        how_to_read="A curve that rises early means that most channels of that modality use few codes: "
        "the grid is wasted on the others.",
        takes=frozenset({"layer", "channel", "modalities", "positions"}),
        runs="quantize",
        query=_query,
        draw=lambda frame, selection: code_lines(frame),
    ),
)
