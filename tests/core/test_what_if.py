"""Settings to predict with: as text and back, and what they cannot be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from morphoquant.core.errors import MorphoQuantError, SpecError, UnknownNameError
from morphoquant.core.spec import ACTIVATION_GRANULARITIES
from morphoquant.core.what_if import WhatIf


def numbers(low: float, high: float, **more):
    return st.floats(low, high, allow_nan=False, **more)


SETTINGS = st.builds(
    WhatIf,
    bits=st.integers(2, 8),
    granularity=st.sampled_from(ACTIVATION_GRANULARITIES),
    clip=numbers(0, 1, exclude_min=True),
    search=st.booleans(),
    low=numbers(0, 1, exclude_min=True),
    p=numbers(0, 8, exclude_min=True),
    cos=numbers(0, 10),
    bypass=st.booleans(),
    sigma=numbers(0, 10),
    lam=numbers(0, 4),
    whole=st.booleans(),
)


@given(SETTINGS)
def test_settings_are_written_and_read_back(settings):
    assert WhatIf.read(settings.written()) == settings


def test_only_what_differs_is_written():
    assert WhatIf().written() == {}
    assert WhatIf(bits=3, search=True, p=0.5, whole=False).written() == {"bits": "3", "search": "yes", "p": "0.5", "whole": "no"}


@pytest.mark.parametrize(
    "texts",
    [
        {"bits": "9"},
        {"bits": "1"},
        {"bits": "4.0"},
        {"clip": "0"},
        {"clip": "1.01"},
        {"clip": "nan"},
        {"sigma": "-1"},
        {"lam": "inf"},
        {"p": "0"},
        {"search": "maybe"},
        {"granularity": "row"},
    ],
)
def test_a_value_that_cannot_be_is_one_sentence(texts):
    with pytest.raises(MorphoQuantError, match=r"allowed|expected|known"):
        WhatIf.read(texts)


def test_an_unknown_setting_is_named():
    with pytest.raises(UnknownNameError, match="did you mean 'sigma'"):
        WhatIf.read({"sigmas": "2"})


@pytest.mark.parametrize("granularity", ["tensor", "token"])
@pytest.mark.parametrize("part", ["search", "bypass"])
def test_a_search_or_a_bypass_needs_one_range_a_channel(granularity, part):
    with pytest.raises(SpecError, match="choose the granularity channel"):
        WhatIf(granularity=granularity, **{part: True}).check()
    WhatIf(granularity=granularity).check()
    WhatIf(**{part: True}).check()
