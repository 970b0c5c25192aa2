"""View: attention that moves by distance to the nearest other modality."""

from morphoquant.figures.distance_lines import distance_lines
from morphoquant.queries.attention import attention_boundary
from morphoquant.views.base import VIEWS, Measure, View, chosen

MEASURES = (
    Measure(
        "moved",
        "Attention that moves",
        "%",
        meaning="The share of a token's attention that goes to other tokens than in full precision: half the sum of absolute "
        "differences.",
    ),
    Measure(
        "other",
        "Attention to other modalities, change",
        "points",
        meaning="Attention that goes to tokens of other modalities, quantised less full precision.",
    ),
)


def _draw(frame, selection):
    measure = chosen(MEASURES, selection)
    return distance_lines(frame, measure.name, measure.axis, zero=measure.name == "moved")


VIEWS.add(
    "attention_boundary",
    View(
        name="attention_boundary",
        title="Attention error by distance to a modality boundary",
        question="Does attention go astray where one modality meets another?",
        how_to_read="Means over heads, kept blocks and tokens. Colours are the modality of the token that attends; special "
        "tokens count as one, first tokens are left out.",
        takes=frozenset({"block", "modalities", "measure"}),
        runs="inspect",
        query=lambda store, runs, selection: attention_boundary(runs, selection),
        draw=_draw,
        measures=MEASURES,
        most=None,
    ),
)
