"""The yardstick: what the best uniform grid reaches on a normal distribution, computed afresh."""

from math import erf, exp, log10, pi, sqrt

import pytest

from morphoquant.findings.normal import BIT_DB, NORMAL_DB


def _mse(step: float, levels: int) -> float:
    """Mean squared error of a mid-rise grid on a unit normal, integrated cell by cell."""

    def below(x):
        return 0.5 * (1 + erf(x / sqrt(2)))

    def density(x):
        return exp(-x * x / 2) / sqrt(2 * pi)

    total = 0.0
    for cell in range(levels // 2):
        low, high = cell * step, 40.0 if cell == levels // 2 - 1 else (cell + 1) * step
        level = (cell + 0.5) * step
        mass, first = below(high) - below(low), density(low) - density(high)
        second = mass + low * density(low) - high * density(high)
        total += second - 2 * level * first + level**2 * mass
    return 2 * total


def _best_db(bits: int) -> float:
    low, high = 1e-3, 2.5
    for _ in range(120):
        one, two = low + (high - low) / 3, high - (high - low) / 3
        low, high = (low, two) if _mse(one, 2**bits) < _mse(two, 2**bits) else (one, high)
    return -10 * log10(_mse(low, 2**bits))


@pytest.mark.parametrize("bits", NORMAL_DB)
def test_the_yardstick_is_the_optimum(bits):
    assert NORMAL_DB[bits] == pytest.approx(_best_db(bits), abs=0.006)


def test_the_printed_value_of_the_paper_for_sixteen_levels():
    assert _mse(0.3352, 16) == pytest.approx(0.01154, abs=1e-5)


def test_a_bit_is_a_factor_of_two_of_amplitude():
    assert pytest.approx(20 * log10(2), abs=0.001) == BIT_DB
