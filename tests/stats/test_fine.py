"""Fine histograms of the widest channels."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from morphoquant.core.modality import Modality, Position, slot
from morphoquant.stats.bins import FINE_COUNT, bin_of, coarse_of, fine_edges
from morphoquant.stats.channel_stats import ChannelStats
from morphoquant.stats.fine import WIDE

TEXT, IMAGE = slot(Modality.TEXT, Position.REST), slot(Modality.IMAGE, Position.REST)


def stats_of(x, slots=None):
    made = ChannelStats(x.shape[1], keep_rows=4)
    labels = np.full(len(x), TEXT, np.int8) if slots is None else slots
    made.update(x, labels, np.arange(len(x), dtype=np.uint64))
    return made


def wide_rows(rows=200, seed=0):
    x = np.random.default_rng(seed).normal(size=(rows, 6)).astype(np.float32)
    x[:, 4] *= 50
    x[:, 1] *= 20
    return x


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_value_lies_in_its_fine_bin_and_that_in_its_bin(value):
    x = np.zeros((1, 2), np.float32)
    x[0, 0] = value
    fine = stats_of(x).rows()[TEXT].fine_histograms
    (index,) = fine["bins"][list(fine["channel"]).index(0)]
    low, high = fine_edges()[index]
    if 2.0**-16 <= abs(value) < 2.0**16:
        assert low <= value <= high and high - low <= abs(value) / 250
    assert coarse_of(index) == bin_of(np.float32([value]))[0]


def test_the_widest_channels_are_counted_each_value_once():
    x = wide_rows()
    columns = stats_of(x).rows()[TEXT]
    fine = columns.fine_histograms
    assert fine["channel"].tolist() == [1, 4] and len(fine["channel"]) == WIDE
    for place, channel in enumerate(fine["channel"]):
        folded = np.bincount(coarse_of(fine["bins"][place]), fine["counts"][place], 1024)
        assert np.array_equal(folded, np.bincount(bin_of(x[:, channel]), minlength=1024))


def test_values_that_are_not_finite_are_left_out():
    x = wide_rows(10)
    x[0, 4], x[1, 4] = np.nan, -np.inf
    fine = stats_of(x).rows()[TEXT].fine_histograms
    assert [counts.sum() for counts in (fine["counts"][0], fine["counts"][1])] == [10, 8]


def test_halves_that_chose_the_same_channels_add_up_to_the_whole():
    x = wide_rows()
    slots = np.where(np.arange(200) % 3, TEXT, IMAGE).astype(np.int8)
    whole, half = stats_of(x, slots), stats_of(x[:90], slots[:90])
    half.merge(stats_of(x[90:], slots[90:]))
    for label, columns in whole.rows().items():
        other = half.rows()[label].fine_histograms
        assert all(np.array_equal(columns.fine_histograms["bins"][n], other["bins"][n]) for n in range(WIDE))
        assert all(np.array_equal(columns.fine_histograms["counts"][n], other["counts"][n]) for n in range(WIDE))


def test_halves_that_chose_others_keep_what_they_share():
    first, second = wide_rows(50), wide_rows(50, 1)
    second[:, 1] /= 400
    second[:, 2] *= 30
    merged = stats_of(first)
    merged.merge(stats_of(second))
    fine = merged.rows()[TEXT].fine_histograms
    assert fine["channel"].tolist() == [1, 4]
    assert [fine["counts"][0].sum(), fine["counts"][1].sum()] == [50, 100]


def test_rows_and_back():
    one = stats_of(wide_rows())
    again = ChannelStats.from_rows(one.rows(), 6, 4, 0)
    fine, other = one.rows()[TEXT].fine_histograms, again.rows()[TEXT].fine_histograms
    assert np.array_equal(fine["bins"].values, other["bins"].values) and np.array_equal(
        fine["counts"].values, other["counts"].values
    )


@pytest.mark.parametrize("channels", [1, 2])
def test_fewer_channels_than_are_counted(channels):
    fine = stats_of(torch.ones(3, channels).numpy()).rows()[TEXT].fine_histograms
    assert len(fine["channel"]) == channels and fine_edges().shape == (FINE_COUNT, 2)
