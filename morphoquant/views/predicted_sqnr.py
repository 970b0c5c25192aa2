"""View: SQNR at any bit-width from the histograms, with measured runs on top."""

from morphoquant.figures.bits_lines import bits_lines
from morphoquant.queries.predicted import predicted_and_measured
from morphoquant.queries.sources import capture_of
from morphoquant.queries.worst import worst_layer
from morphoquant.views.base import VIEWS, View


def _query(store, runs, selection):
    capture = capture_of(store, runs)
    return predicted_and_measured(
        capture, runs, selection, selection.layer or worst_layer(capture, selection, with_histogram=True)
    )


VIEWS.add(
    "predicted_sqnr",
    View(
        name="predicted_sqnr",
        title="SQNR over bit-width",
        question="How many bits does this layer's input need in each modality?",
        how_to_read="Lines follow from the stored histograms for RTN with one static range a channel; "
        "open markers are measured on evaluation samples, above the line where a method gains over that.",
        takes=frozenset({"layer", "modalities", "positions"}),
        runs="many",
        query=_query,
        draw=lambda frame, selection: bits_lines(frame),
        most=None,
    ),
)
