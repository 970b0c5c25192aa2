"""The look: colours, numbers, ticks."""

import math

import pytest

from morphoquant.core.modality import MODALITIES
from morphoquant.figures.theme import (
    COLOURS,
    CROSS_MODAL_COLOUR,
    NEUTRAL,
    SERIES,
    faded,
    modality_order,
    subject_colour,
    three_digits,
)
from morphoquant.figures.ticks import escaped, thinned


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (4.1, "4.10"), (13.02, "13.0"), (99.96, "100"), (1234.5, "1,230"), (2824.0, "2,820"), (3e-7, "3.00e-07")]
    + [(1e7, "1.00e+07"), (-12.345, "-12.3"), (math.inf, "exact")],
)
def test_three_significant_digits(value, text):
    assert three_digits(value) == text


def test_every_modality_has_a_colour_of_its_own():
    assert set(COLOURS) == set(MODALITIES)
    assert len({*COLOURS.values(), CROSS_MODAL_COLOUR, *SERIES}) == len(COLOURS) + 1 + len(SERIES)
    assert modality_order({"video", "text"}) == ["text", "video"]
    assert faded("#0072B2", 0.5) == "rgba(0,114,178,0.5)"


def test_subjects_wear_the_colours_of_their_modalities():
    assert [subject_colour(name) for name in ("text", "cross-modal", "all")] == ["#0072B2", "#56B4E9", NEUTRAL]


def test_ticks_are_thinned_and_names_escaped():
    places, labels = thinned([f"L{i}" for i in range(200)])
    assert len(places) <= 12 and labels[0] == "L0" and labels[1] == f"L{places[1]}"
    assert escaped("<b>&") == "&lt;b&gt;&amp;"
