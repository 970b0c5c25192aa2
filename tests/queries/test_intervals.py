"""Intervals and tests against published values and against their own promises."""

import numpy as np
import pytest

from morphoquant.queries.intervals import exact_mcnemar, holm, mean_interval, paired_difference, student_quantile, wilson


def test_wilson_of_published_counts():
    # Newcombe 1998 (Statist. Med. 17, 857-872), table I, score method: 81/263, 15/148, 0/20, 1/29.
    low, high = wilson([81, 15, 0, 1], [263, 148, 20, 29])
    assert np.round(low, 4).tolist() == [0.2553, 0.0624, 0.0, 0.0061]
    assert np.round(high, 4).tolist() == [0.3662, 0.1605, 0.1611, 0.1718]


def test_newcombe_of_a_published_table():
    # Newcombe 1998 (Statist. Med. 17, 2635-2650), method 10, pairs (36, 12, 2, 0): 0.2 (0.0569, 0.3404).
    assert paired_difference(36, 2, 12, 0) == pytest.approx((0.0569, 0.3404), abs=5e-5)
    assert paired_difference(36, 12, 2, 0) == pytest.approx((-0.3404, -0.0569), abs=5e-5)


def test_no_differing_item_still_leaves_an_interval():
    low, high = paired_difference(50, 0, 0, 0)
    assert low < 0 < high and high == pytest.approx(-low)


def test_the_paired_interval_holds_its_level():
    draw = np.random.default_rng(0)
    truth, hits = 0.1, 0
    for both, first, second, neither in draw.multinomial(60, [0.7, 0.05, 0.15, 0.1], 2000):
        low, high = paired_difference(both, first, second, neither)
        hits += low <= truth <= high
    assert 0.935 <= hits / 2000 <= 0.98


@pytest.mark.parametrize(("pair", "p"), [((0, 5), 2 / 32), ((1, 9), 22 / 1024), ((3, 3), 1.0), ((0, 0), 1.0), ((0, 1), 1.0)])
def test_exact_mcnemar_by_hand(pair, p):
    assert exact_mcnemar(*pair) == pytest.approx(p) == exact_mcnemar(*pair[::-1])


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]).tolist() == [1.0, 1.0] and holm([]).tolist() == []


@pytest.mark.parametrize(("degrees", "value"), [(2, 4.303), (4, 2.776), (10, 2.228), (30, 2.042), (120, 1.980)])
def test_student_quantiles_of_the_tables(degrees, value):
    assert student_quantile(degrees) == pytest.approx(value, rel=0.01)


def test_a_mean_needs_two_values():
    assert np.isnan(mean_interval(np.array([1.0]))).all()
    low, high = mean_interval(np.arange(1.0, 6.0))
    assert (low + high) / 2 == pytest.approx(3.0) and (high - low) / 2 == pytest.approx(2.776 * (2.5 / 5) ** 0.5, rel=0.01)
