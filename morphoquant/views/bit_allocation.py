"""View: what a budget of bits can buy when each layer group has a spec of its own."""

from morphoquant.figures.allocation_lines import allocation_lines
from morphoquant.queries.allocation_front import allocation_front
from morphoquant.views.base import VIEWS, Measure, View, chosen

MEASURES = (
    Measure("activations", "Mean activation bits", "bits", meaning="The mean is over multiply-accumulates."),
    Measure("weights", "Mean weight bits", "bits", meaning="The mean is over parameters."),
)

VIEWS.add(
    "bit_allocation",
    View(
        name="bit_allocation",
        title="Bits by layer group",
        question="How far does a budget of bits go when the sensitive groups get more of it?",
        how_to_read="The stair is the least sum of the groups' KL that a mean of so many bits allows, among the specs whose "
        "sensitivity is measured and full precision; groups are chosen by it. Full dots answered the same items with all those "
        "specs together: where they leave the open dots, errors do not add up.",
        takes=frozenset({"subjects", "measure"}),
        runs="sensitivity",
        query=lambda store, runs, selection: allocation_front(
            store, runs[0], chosen(MEASURES, selection).name, selection.subjects
        ),
        draw=lambda frame, selection: allocation_lines(frame, chosen(MEASURES, selection).axis),
        measures=MEASURES,
    ),
)
