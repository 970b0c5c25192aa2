"""View: grid half-widths before and after the search."""

from morphoquant.figures.alpha_lines import alpha_lines
from morphoquant.queries.alpha import alpha_search
from morphoquant.queries.sources import capture_of, quantized, static
from morphoquant.queries.worst import worst_layer
from morphoquant.views.base import VIEWS, View


def _query(store, runs, selection):
    run = static(quantized(runs)[0])
    return alpha_search(run, selection.layer or worst_layer(capture_of(store, runs), selection, with_histogram=True))


VIEWS.add(
    "alpha_search",
    View(
        name="alpha_search",
        title="Search of the grid width",
        question="How far did the search narrow the grids of this layer?",
        how_to_read="Points below the dashed line are grids that were narrowed; the bars count how often each ratio was chosen.",
        takes=frozenset({"layer"}),
        runs="quantize",
        query=_query,
        draw=lambda frame, selection: alpha_lines(frame),
    ),
)
