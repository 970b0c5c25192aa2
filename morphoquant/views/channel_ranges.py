"""View: the range of every channel."""

from morphoquant.figures.chosen_point import ring_channel
from morphoquant.figures.range_bands import range_bands, range_differences
from morphoquant.queries.differences import ranges_less
from morphoquant.queries.ranges import LARGEST_POINTS, channel_ranges, coarser
from morphoquant.queries.sources import capture_of
from morphoquant.queries.worst import worst_layer
from morphoquant.views.base import VIEWS, Beside, View


def _query(store, runs, selection):
    run = capture_of(store, runs)
    return channel_ranges(run, selection, selection.layer or worst_layer(run, selection))


VIEWS.add(
    "channel_ranges",
    View(
        name="channel_ranges",
        title="Channel ranges",
        question="Which channels of this layer's input stick out, and in which modality?",
        how_to_read="Each panel spans the smallest to the largest value of every channel, on one scale; "
        "spikes are outlier channels, a ring is the chosen one.",
        takes=frozenset({"layer", "modalities", "positions"}),
        rings=frozenset({"channel"}),
        runs="capture",
        query=_query,
        draw=lambda frame, selection: ring_channel(range_bands(frame), selection.channel),
        beside=Beside(
            title="Channel ranges less those of the first run",
            how_to_read="How much farther each channel reaches from zero than in the first run; below zero it reaches less far.",
            less=lambda frame, reference, selection: ranges_less(frame, reference),
            draw=lambda frame, selection: ring_channel(range_differences(frame), selection.channel),
            thinned=lambda frame, runs: coarser(frame, LARGEST_POINTS // runs),
        ),
    ),
)
