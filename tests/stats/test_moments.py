from functools import reduce

import numpy as np
import pytest

from morphoquant.stats.channel_stats import ChannelStats
from morphoquant.stats.moments import Moments, merge, pool, pool_by

NAMES = ("count", "mean", "m2", "m3", "m4")


def close(one, other):
    for name in NAMES:
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-9, atol=1e-9, err_msg=name)


@pytest.fixture
def values():
    return np.random.default_rng(0).standard_t(5, (300, 7)) * np.arange(1, 8) + np.arange(7) * 100


def test_merged_parts_equal_the_whole(values):
    close(merge(Moments.of(values[:100]), Moments.of(values[100:])), Moments.of(values))


def test_pooled_groups_equal_the_moments_of_their_rows(values):
    parts = [Moments.of(part) for part in np.split(values, [10, 60, 200])]
    stacked = Moments(*(np.stack([getattr(part, name) for part in parts]) for name in NAMES))
    close(pool(stacked), Moments.of(values))
    joined = pool_by(np.array([0, 2, 0, 2]), 3, stacked)
    whole = Moments.of(np.concatenate([values[:10], values[60:200]]))
    close(Moments(*(getattr(joined, name)[0] for name in NAMES)), whole)
    assert joined.count[1].tolist() == [0] * 7 and np.isnan(joined.mean[1]).all()


def test_a_large_common_offset_costs_no_digits(values):
    far = values[:, 0] / values[:, 0].std() + 1e7
    stacked = Moments.of(far[:150, None]), Moments.of(far[150:, None])
    assert merge(*stacked).m2[0] == pytest.approx(300 * np.var(far), rel=1e-9)


def test_empty_part_changes_nothing(values):
    empty = Moments(np.zeros(7, np.int64), *(np.full(7, np.nan) for _ in range(4)))
    close(merge(Moments.of(values), empty), Moments.of(values))


def test_kurtosis_matches_its_definition(values):
    z = (values - values.mean(0)) / values.std(0)
    np.testing.assert_allclose(Moments.of(values).kurtosis(), (z**4).mean(0))
    assert np.isnan(Moments.of(np.ones((4, 1))).kurtosis()[0])


@pytest.mark.parametrize("value", [0.1, -3.7e5, 1e-30, 1e-41])
def test_a_channel_that_never_changes_has_no_shape_however_its_parts_are_joined(value):
    same, cuts = np.full((1000, 1), value, np.float32), [7, 50, 333, 334, 700]
    stats = ChannelStats(1, 4)
    for part in np.split(same, cuts):
        stats.update(part, np.zeros(len(part), np.int8), np.arange(len(part), dtype=np.uint64))
    columns = stats.rows()[0].channel_stats
    in_parts = reduce(merge, map(Moments.of, np.split(same, cuts)))
    for joined in (in_parts, Moments(*(columns[name] for name in NAMES)), Moments.of(same)):
        assert joined.count[0] == 1000 and joined.m2[0] <= 1000 * (2.0**-48 * value) ** 2
        assert np.isnan(joined.kurtosis()[0])
    # One value of the thousand is the next that float32 has: kurtosis of a single spike is about its distance.
    same[5] = np.nextafter(same[5], np.float32(np.inf))
    assert Moments.of(same).kurtosis()[0] == pytest.approx(997, rel=0.01)
