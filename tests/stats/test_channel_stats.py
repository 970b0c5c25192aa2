import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from morphoquant.core.modality import PADDING
from morphoquant.stats import channel_stats, counters
from morphoquant.stats.bins import BIN_COUNT, bin_of
from morphoquant.stats.channel_stats import ChannelStats
from morphoquant.stats.columns import Ragged
from morphoquant.stats.reservoir import splitmix64

MOMENTS = ("mean", "m2", "m3", "m4", "sum_abs")
EXACT = ("channel", "count", "nan_count", "inf_count", "min", "max")


def data(seed, rows, channels, odd=0):
    """Rows with an offset, heavy tails, zeros and, if asked for, values that are not finite; slots with padding."""
    rng = np.random.default_rng(seed)
    x = (rng.standard_t(3, (rows, channels)) * np.exp(rng.normal(0, 2, channels)) + rng.normal(0, 5, channels)).astype(np.float32)
    x[rng.random((rows, channels)) < 0.05] = 0.0
    x[:, 0] = 7.0
    for value in (np.nan, np.inf, -np.inf) if odd else ():
        x[rng.integers(0, rows, odd), rng.integers(0, channels, odd)] = value
    slots = rng.choice([PADDING, 0, 1, 3, 5], rows).astype(np.int8)
    return x, slots, rng.permutation(rows).astype(np.uint64) + np.uint64(seed * 1000)


def filled(*updates, channels, keep=4, seed=1):
    stats = ChannelStats(channels, keep, seed)
    for update in updates:
        stats.update(*update)
    return stats


def assert_same(one, other):
    one, other = one.rows(), other.rows()
    assert one.keys() == other.keys()
    for slot in one:
        a, b = one[slot], other[slot]
        for name in EXACT:
            np.testing.assert_array_equal(np.ma.filled(a.channel_stats[name], -1), np.ma.filled(b.channel_stats[name], -1), name)
        count = np.maximum(a.channel_stats["count"], 1)
        m2 = np.ma.filled(b.channel_stats["m2"], 0)
        natural = {  # what a central sum is relative to: odd sums may cancel to anything
            "mean": np.ma.filled(b.channel_stats["sum_abs"], 0) / count,
            "m2": m2,
            "m3": np.ma.filled(b.channel_stats["m4"], 0) ** 0.75 * count**0.25,
            "m4": np.ma.filled(b.channel_stats["m4"], 0),
            "sum_abs": np.ma.filled(b.channel_stats["sum_abs"], 0),
        }
        for name in MOMENTS:
            x, y = (np.ma.filled(value.channel_stats[name], 0) for value in (a, b))
            floor = 1e-9 * natural["mean"] ** {"m2": 2, "m3": 3, "m4": 4}.get(name, 1) * count
            assert np.all(np.abs(x - y) <= 1e-6 * natural[name] + floor), name
        for name in ("bins", "counts", "largest"):
            np.testing.assert_array_equal(a.histograms[name].offsets, b.histograms[name].offsets, name)
            np.testing.assert_array_equal(a.histograms[name].values, b.histograms[name].values, name)
        np.testing.assert_array_equal(a.token_sample["priority"], b.token_sample["priority"])
        np.testing.assert_array_equal(a.token_sample["values"].values, b.token_sample["values"].values)


@pytest.mark.parametrize("channels", [1, 31, 32, 70])
@pytest.mark.parametrize("odd", [0, 40])
def test_every_column_equals_its_definition(channels, odd):
    x, slots, keys = data(0, 900, channels, odd)
    rows = filled((x, slots, keys), channels=channels, keep=16).rows()
    assert sorted(rows) == [0, 1, 3, 5]
    for slot, columns in rows.items():
        mine = x[slots == slot].astype(np.float64)
        stats = columns.channel_stats
        assert (stats["count"] == len(mine)).all()
        np.testing.assert_array_equal(stats["nan_count"], np.isnan(mine).sum(0))
        np.testing.assert_array_equal(stats["inf_count"], np.isinf(mine).sum(0))
        for channel in range(channels):
            values = mine[:, channel][np.isfinite(mine[:, channel])]
            deviation = values - values.mean()
            assert (stats["min"][channel], stats["max"][channel]) == (values.min(), values.max())
            assert stats["mean"][channel] == pytest.approx(values.mean(), rel=1e-12)
            for power, name in ((2, "m2"), (3, "m3"), (4, "m4")):
                scale = (np.abs(deviation) ** power).sum()
                assert stats[name][channel] == pytest.approx((deviation**power).sum(), abs=1e-9 * scale + 1e-20)
            assert stats["sum_abs"][channel] == pytest.approx(np.abs(values).sum(), rel=1e-12)
            bins, counts = np.unique(bin_of(values.astype(np.float32)), return_counts=True)
            np.testing.assert_array_equal(columns.histograms["bins"][channel], bins)
            np.testing.assert_array_equal(columns.histograms["counts"][channel], counts)
            order = np.lexsort((-values, -np.abs(values)))[:8]
            np.testing.assert_array_equal(columns.histograms["largest"][channel], values[order].astype(np.float32))
        priorities = splitmix64(1, keys[slots == slot])
        kept = np.argsort(priorities)[:16]
        np.testing.assert_array_equal(columns.token_sample["priority"], priorities[kept])
        np.testing.assert_array_equal(columns.token_sample["values"].values.reshape(-1, channels), x[slots == slot][kept])


@given(st.integers(0, 10**6), st.lists(st.integers(0, 300), max_size=6), st.sampled_from([1, 5, 40]), st.booleans())
@settings(max_examples=25, deadline=None)
def test_any_batch_size_gives_the_same(seed, cuts, channels, odd):
    x, slots, keys = data(seed, 300, channels, 10 if odd else 0)
    edges = [0, *sorted(cuts), 300]
    parts = [(x[a:b], slots[a:b], keys[a:b]) for a, b in zip(edges[:-1], edges[1:], strict=True)]
    assert_same(filled(*parts, channels=channels), filled((x, slots, keys), channels=channels))


@given(st.integers(0, 10**6), st.permutations(range(4)), st.booleans(), st.sampled_from([3, 33]))
@settings(max_examples=25, deadline=None)
def test_any_order_of_merging_gives_the_whole(seed, order, odd, channels):
    x, slots, keys = data(seed, 400, channels, 10 if odd else 0)
    edges = np.sort(np.random.default_rng(seed).integers(0, 400, 3))
    parts = [filled(part, channels=channels) for part in zip(*(np.split(v, edges) for v in (x, slots, keys)), strict=True)]
    left = ChannelStats(channels, 4, 1)
    for index in order:
        left.merge(parts[index])
    whole = filled((x, slots, keys), channels=channels)
    assert_same(left, whole)
    pairs = [ChannelStats(channels, 4, 1) for _ in range(2)]
    pairs[0].merge(parts[0])
    pairs[0].merge(parts[1])
    pairs[1].merge(parts[2])
    pairs[1].merge(parts[3])
    pairs[0].merge(pairs[1])
    assert_same(pairs[0], whole)


@given(npst.arrays(np.float32, (40, 3), elements=st.floats(width=32)), st.integers(1, 39))
@settings(max_examples=60, deadline=None)
def test_values_of_any_size_count_and_bin_exactly(x, cut):
    slots, keys = np.zeros(40, np.int8), np.arange(40, dtype=np.uint64)
    whole = filled((x, slots, keys), channels=3).rows()[0]
    halves = filled((x[:cut], slots[:cut], keys[:cut]), channels=3)
    halves.merge(filled((x[cut:], slots[cut:], keys[cut:]), channels=3))
    for columns in (whole, halves.rows()[0]):
        for channel in range(3):
            finite = x[:, channel][np.isfinite(x[:, channel])]
            assert columns.histograms["counts"][channel].sum() == len(finite)
            assert sorted(set(bin_of(finite).tolist())) == columns.histograms["bins"][channel].tolist()
            assert len(columns.histograms["largest"][channel]) == min(8, len(finite))


def test_torch_pass_agrees_with_the_kernel(monkeypatch):
    batches = [data(seed, 200, 37, odd) for seed, odd in ((0, 0), (1, 30), (2, 0))]
    batches[2][1][:] = np.where(batches[2][1] == 5, 7, batches[2][1])  # a slot that comes later
    kernel = filled(*batches, channels=37)
    begun = ChannelStats.from_rows(filled(batches[0], channels=37).rows(), 37, 4, 1)
    monkeypatch.setattr(ChannelStats, "_update_cpu", ChannelStats._update_device)
    fallback = filled(*batches, channels=37)
    for batch in batches[1:]:
        begun.update(*batch)
    for found in (fallback, begun):
        for label, (rows, peak) in kernel.extremes().items():
            assert found.extremes()[label][0] == rows
            np.testing.assert_array_equal(found.extremes()[label][1], peak)
        assert found._device is not None
        assert_same(found, kernel)
        assert_same_fine(found, kernel)
    more, last = data(3, 50, 37), data(4, 50, 37)
    fallback.update(*more)
    monkeypatch.undo()
    fallback.update(*last)
    for batch in (more, last):
        kernel.update(*batch)
    assert_same(fallback, kernel)
    assert_same_fine(fallback, kernel)


def assert_same_fine(one, other):
    one, other = one.rows(), other.rows()
    for label in other:
        ours, theirs = one[label].fine_histograms, other[label].fine_histograms
        np.testing.assert_array_equal(ours["channel"], theirs["channel"])
        for name in ("bins", "counts"):
            np.testing.assert_array_equal(ours[name].offsets, theirs[name].offsets)
            np.testing.assert_array_equal(ours[name].values, theirs[name].values)


def test_rows_round_trip_and_statistics_go_on(tmp_path):
    first, second = data(0, 300, 9, 20), data(1, 300, 9)
    first[0][:, 4] = np.nan
    stats = filled(first, channels=9)
    again = ChannelStats.from_rows(stats.rows(), 9, 4, 1)
    assert_same(again, stats)
    for part in (again, stats):
        part.update(*second)
    assert_same(again, stats)
    assert_same(stats, filled(first, second, channels=9))


def test_a_channel_without_a_finite_value_is_null_not_zero():
    x = np.ones((5, 2), np.float32)
    x[:, 1] = np.nan
    columns = filled((x, np.zeros(5, np.int8), np.arange(5)), channels=2).rows()[0]
    for name in ("min", "max", *MOMENTS):
        assert pa.array(columns.channel_stats[name]).to_pylist()[1] is None
        assert pa.array(columns.channel_stats[name]).to_pylist()[0] is not None
    lists = pa.ListArray.from_arrays(columns.histograms["bins"].offsets, columns.histograms["bins"].values)
    assert lists.to_pylist() == [[int(bin_of(np.float32([1]))[0])], []]


def test_counters_beyond_16_bits_are_exact(monkeypatch):
    rows = 150_000
    x = np.tile(np.float32([[1.0, -2.0, 0.0]]), (rows, 1))
    x[::3, 2] = 5.0
    slots, keys = np.zeros(rows, np.int8), np.arange(rows, dtype=np.uint64)
    whole = filled((x, slots, keys), channels=3, keep=2)
    counts = whole.rows()[0].histograms["counts"]
    assert counts.values.tolist() == [150_000, 150_000, 100_000, 50_000]
    doubled = filled((x, slots, keys), channels=3, keep=2)
    doubled.merge(whole)
    assert doubled.rows()[0].histograms["counts"].values.tolist() == [300_000, 300_000, 200_000, 100_000]
    assert_same(ChannelStats.from_rows(whole.rows(), 3, 2, 1), whole)
    monkeypatch.setattr(counters, "LEVEL", 8)
    monkeypatch.setattr(channel_stats, "ROOM", 16)
    assert_same(filled((x[:500], slots[:500], keys[:500]), channels=3, keep=2), restored(x, slots, keys))


def restored(x, slots, keys):
    dense = np.zeros(3 * BIN_COUNT, np.int64)
    np.add.at(dense, (bin_of(x[:500]) + BIN_COUNT * np.arange(3)).reshape(-1), 1)
    stats = filled((x[:500], slots[:500], keys[:500]), channels=3, keep=2)
    histograms = stats.rows()[0].histograms
    np.testing.assert_array_equal(histograms["counts"].values, dense[dense > 0])
    return stats


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("channels", [5, 70])
@pytest.mark.parametrize("update", ["_update_cpu", "_update_device"])
def test_half_precision_is_upcast_exactly(dtype, channels, update, monkeypatch):
    values, slots, keys = data(0, 300, channels, 20)
    x = torch.from_numpy(values).to(dtype)
    x[3, 0] = 2.0**-130 if dtype == torch.bfloat16 else 2.0**-24  # below the smallest normal one
    wide = filled((x.float().numpy(), slots, keys), channels=channels)
    monkeypatch.setattr(ChannelStats, "_update_cpu", getattr(ChannelStats, update))
    narrow = filled((x, slots, keys), channels=channels)
    assert_same(narrow, wide)
    assert_same_fine(narrow, wide)


def test_memory_stays_the_same_however_many_rows():
    stats = ChannelStats(16, 8, 0)
    sizes = []
    for batch in range(40):
        x, slots, keys = data(batch, 256, 16)
        stats.update(x, slots, keys)
        sizes.append(stats.nbytes)
    assert sizes[0] == sizes[-1]


def test_reservoir_is_a_fair_draw():
    rows = 20_000
    x = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    columns = filled((x, np.zeros(rows, np.int8), np.arange(rows)), channels=1, keep=512).rows()[0]
    assert columns.token_sample["values"].values.mean() == pytest.approx(0.5, abs=0.06)
    other = filled((x, np.zeros(rows, np.int8), np.arange(rows)), channels=1, keep=512, seed=2).rows()[0]
    assert set(other.token_sample["priority"]) != set(columns.token_sample["priority"])


def test_mismatches_are_refused():
    with pytest.raises(ValueError, match="rows must be"):
        ChannelStats(3).update(np.zeros((2, 4), np.float32), np.zeros(2, np.int8), np.arange(2))
    with pytest.raises(ValueError, match="agree"):
        ChannelStats(3, 4, 0).merge(ChannelStats(3, 4, 1))


def test_ragged_reads_like_a_list_of_arrays():
    column = Ragged(np.array([0, 2, 2], np.int32), np.array([5, 6]))
    assert len(column) == 2 and column[0].tolist() == [5, 6] and column[1].tolist() == []


@pytest.mark.parametrize("threads", [1, 2])
def test_torch_keeps_its_number_of_threads(threads):
    code = (
        "import numpy as np, torch\n"
        "from morphoquant.stats.channel_stats import ChannelStats\n"
        f"torch.set_num_threads({threads})\n"
        "ChannelStats(2).update(np.ones((3, 2), np.float32), np.zeros(3, np.int8), np.arange(3))\n"
        f"assert torch.get_num_threads() == {threads}, torch.get_num_threads()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
