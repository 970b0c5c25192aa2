"""Rules on the shape of activations, each at its threshold and just short of it."""

import hand_made as made
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from morphoquant.core.modality import POSITIONS
from morphoquant.findings.first_token import RATIO, first_token
from morphoquant.findings.one_token import one_token
from morphoquant.findings.wide_channels import wide_channels
from morphoquant.quant.grid import symmetric_grid


def _first(value: float, rest: float = 2.0):
    rows = made.inputs(
        {"layer": "a.down", "modality": "special", "position": "first", "absmax": value, "channel": 9},
        {"layer": "a.down", "modality": "text", "absmax": rest},
        {"layer": "a.down", "modality": "audio", "absmax": rest / 2},
    )
    return first_token(made.evidence(inputs=rows))


def test_the_first_token_is_said_from_64_times_on():
    assert _first(made.just_below(2.0 * RATIO)) == []
    (one,) = _first(2.0 * RATIO)
    assert one.numbers["ratio"] == RATIO and one.excess == 0 and one.numbers["channel"] == 9
    assert one.links[0].selection.positions == POSITIONS and one.links[0].selection.channel == 9


@given(value=st.floats(1e-3, 1e6))
def test_the_first_token_is_set_against_the_largest_of_all_others(value):
    assert bool(_first(value)) == (value / 2.0 >= RATIO)


def test_an_input_without_other_tokens_says_nothing_of_the_first():
    rows = made.inputs({"layer": "a", "modality": "text", "position": "first", "absmax": 1e5})
    assert first_token(made.evidence(inputs=rows)) == []


def _wide(ratio: float, bits: int | None = 4):
    rows = made.inputs({"layer": "a.q", "modality": "video", "absmax": ratio, "median_absmax": 1.0, "channel": 5})
    return wide_channels(made.evidence(inputs=rows, bits=bits))


@pytest.mark.parametrize(("bits", "limit"), [(4, 15.0), (8, 255.0), (None, 15.0)])
def test_a_channel_is_wide_from_the_number_of_steps_on(bits, limit):
    assert _wide(made.just_below(limit), bits) == []
    (one,) = _wide(limit, bits)
    assert one.threshold == limit and one.modality == "video" and one.links[0].selection.channel == 5


@given(bits=st.integers(2, 8), reach=st.floats(1e-3, 1e3))
def test_what_the_sentence_says_is_so_on_the_grid(bits, reach):
    torch = pytest.importorskip("torch")
    grid = symmetric_grid(torch.tensor([reach], dtype=torch.float64), bits)
    median = torch.tensor([[reach / (2**bits - 1)]], dtype=torch.float64)
    assert float(grid.quantize(median)) == 0.0


def test_a_modality_that_is_not_content_is_not_said():
    rows = made.inputs({"layer": "a.q", "modality": "special", "absmax": 1e4})
    assert wide_channels(made.evidence(inputs=rows)) == []


def _tokens(largest: float, kept: list[float]):
    rows = made.inputs({"layer": "a.down", "modality": "text", "absmax": largest, "channel": 4})
    peaks = pd.DataFrame({"layer": "a.down", "modality": "text", "peak": kept})
    return one_token(made.evidence(inputs=rows, peaks=peaks))


def test_a_token_is_said_from_64_times_the_median_token_on():
    assert _tokens(made.just_below(64.0), [0.5, 1.0, 2.0]) == []
    (one,) = _tokens(64.0, [0.5, 1.0, 64.0])
    assert one.numbers["outlier_tokens"] == 1 and one.excess == 0 and one.numbers["channel"] == 4
    assert "1 of 3 kept tokens reaches 64 times the median." in one.sentence


def test_a_capture_that_keeps_no_tokens_says_nothing_of_them():
    assert _tokens(1e6, []) == []
