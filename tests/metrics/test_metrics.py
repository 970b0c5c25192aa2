"""Every measure against numbers worked out by hand."""

import math

import pytest
import torch

from morphoquant.metrics.catalog import METRICS, SHAPES
from morphoquant.metrics.cosine import token_cosines
from morphoquant.metrics.lp import lp

# Errors: 1, 0 / 0, -2. Squares of x: 9 + 16 + 0 + 25 = 50.
X = torch.tensor([[3.0, 4.0], [0.0, 5.0]])
Y = torch.tensor([[4.0, 4.0], [0.0, 3.0]])
FIRST = (3 * 4 + 4 * 4) / (5 * math.sqrt(32))

BY_HAND = {
    "mse": 5 / 4,
    "nmse": 5 / 50,
    "sqnr_db": 10.0,
    "mae": 3 / 4,
    "lp": (1 + math.sqrt(2)) / 4,
    "cosine": (FIRST + 1) / 2,
    "cosine_p5": FIRST + 0.05 * (1 - FIRST),
    "cosine_min": FIRST,
}


def test_every_measure_has_a_number_worked_out_by_hand():
    assert set(METRICS) == set(BY_HAND)


@pytest.mark.parametrize("name", BY_HAND)
def test_measure(name):
    assert METRICS[name](X, Y) == pytest.approx(BY_HAND[name])
    assert isinstance(METRICS[name](X.bfloat16(), Y.bfloat16()), float)


@pytest.mark.parametrize(
    ("name", "perfect"), {name: 1.0 if "cosine" in name else math.inf if name == "sqnr_db" else 0.0 for name in BY_HAND}.items()
)
def test_no_error(name, perfect):
    assert METRICS[name](X, X) == pytest.approx(perfect)


def test_lp_takes_its_exponent():
    assert lp(X, Y, 3) == pytest.approx((1 + 8) / 4)


def test_an_error_on_silence_is_infinitely_large():
    silence = torch.zeros(2, 2)
    for error in (Y, 1e-6 * Y):
        assert METRICS["nmse"](silence, error) == math.inf
        assert METRICS["sqnr_db"](silence, error) == -math.inf
    assert METRICS["sqnr_db"](silence, silence) == math.inf


def test_cosine_of_zero_tokens():
    x = torch.tensor([[0.0, 0.0], [0.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    y = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 0.0], [-1.0, 0.0]])
    assert token_cosines(x, y).tolist() == [1.0, 0.0, 0.0, -1.0]


def test_measures_add_up_in_double_precision():
    """Ten million equal errors: a running sum in bfloat16 stops at 256, in float32 at 16.7 million."""
    x = torch.full((1000, 10000), 1.0, dtype=torch.bfloat16)
    assert METRICS["mse"](x, x + 1) == 1.0
    assert METRICS["mae"](x, x * 3) == 2.0


def test_shapes():
    assert set(SHAPES) == {"kurtosis", "crest_factor"}
    x = torch.tensor([[-1.0, 1.0], [-1.0, 1.0]])
    assert SHAPES["kurtosis"](x) == pytest.approx(1.0)
    assert SHAPES["crest_factor"](x) == pytest.approx(1.0)
    spike = torch.tensor([0.0, 0, 0, 4.0])
    # Mean 1, deviations -1, -1, -1, 3: m2 = 12/4 = 3, m4 = 84/4 = 21; rms = 2.
    assert SHAPES["kurtosis"](spike) == pytest.approx(21 / 9)
    assert SHAPES["crest_factor"](spike) == pytest.approx(2.0)
    normal = torch.randn(200_000, generator=torch.Generator().manual_seed(0))
    assert SHAPES["kurtosis"](normal) == pytest.approx(3, abs=0.05)
