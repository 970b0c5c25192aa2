"""View: the distribution of a layer input's values."""

from morphoquant.figures.histogram_lines import density_lines, magnitude_lines, share_differences
from morphoquant.queries.differences import shares_less
from morphoquant.queries.histograms import magnitude_histogram, signed_density
from morphoquant.queries.sources import capture_of
from morphoquant.queries.worst import worst_layer
from morphoquant.views.base import VIEWS, Beside, Measure, View, chosen

MEASURES = (
    Measure(
        "magnitude",
        "Magnitudes with tails",
        log=True,
        meaning="Both axes are logarithmic: a tail that falls slowly to the right is what a 4-bit grid cannot hold.",
    ),
    Measure("signed", "Signed values", meaning="The height is logarithmic: values far from zero are few, and decide the range."),
)


def _query(store, runs, selection):
    run = capture_of(store, runs)
    layer = selection.layer or worst_layer(run, selection, with_histogram=True)
    ask = magnitude_histogram if chosen(MEASURES, selection).name == "magnitude" else signed_density
    frame = ask(run, selection, layer, selection.channel)
    frame.insert(0, "layer", layer)
    return frame


def _draw(frame, selection):
    return magnitude_lines(frame) if chosen(MEASURES, selection).name == "magnitude" else density_lines(frame)


VIEWS.add(
    "activation_histogram",
    View(
        name="activation_histogram",
        title="Distribution of activations",
        question="How are the values of this layer's input distributed in each modality, and how long are the tails?",
        how_to_read="One line a modality.",
        takes=frozenset({"layer", "channel", "modalities", "positions", "measure"}),
        runs="capture",
        query=_query,
        draw=_draw,
        measures=MEASURES,
        beside=Beside(
            title="Distribution less that of the first run",
            how_to_read="Above zero the run has more values of that magnitude than the first run, below zero fewer; what it "
            "gains on the right is a longer tail.",
            less=lambda frame, reference, selection: shares_less(frame, reference),
            draw=lambda frame, selection: share_differences(frame),
            # Bins of signed values follow the range of their run, so that two runs share none.
            measures=MEASURES[:1],
        ),
    ),
)
