"""The compiled loops over histograms: against direct evaluation, and by hand; `test_binned.py` has what they integrate."""

import os
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest
import torch
from made_rows import histogram, numbers

from morphoquant.quant.binned_rows import BinnedRows, StaticGrids, stacked
from morphoquant.quant.edges import base_edges
from morphoquant.quant.grid import UniformGrid, range_grid
from morphoquant.stats.bins import bin_edges


def one_bin(low: float, high: float, values: int = 1) -> BinnedRows:
    """A channel whose values lie evenly between `low` and `high`."""
    none = np.zeros(2, np.int64), np.empty(0, np.float32), np.empty(0, np.int64)
    counted = np.array([0, 1]), np.array([0], np.uint16), np.array([values])
    return BinnedRows.of(np.array([0]), counted, none, (np.array([low]), np.array([high])), np.array([[low, high]]))


def grids_of(step, limit=np.inf, codes=(-8, 7), zero=0.0) -> StaticGrids:
    shape = np.shape(step)
    return StaticGrids(np.array(step, float), np.full(shape, zero), np.full(shape, limit), *codes)


@pytest.mark.parametrize("p", [0.5, 1.0, 1.3, 2.0, 3.0])
def test_one_bin_by_hand(p):
    # |error| runs from 0 to 1/2 twice between two levels: its mean p-th power is (1/2)^p / (p + 1).
    found = one_bin(0, 1, values=5).objectives(grids_of([[1.0]]), p, cosine=True)
    assert found.power[0, 0] == pytest.approx(5 * 0.5**p / (p + 1))
    # x (Q(x) - x) over [0, 1/2] is -1/24, over [1/2, 1] it is 1/12.
    assert found.cross[0, 0] == pytest.approx(5 / 24)
    assert found.error_sq[0, 0] == pytest.approx(5 / 12)
    assert found.signal_sq[0] == pytest.approx(5 / 3) and found.values[0] == 5


def test_clipping_and_bypass_by_hand():
    # Levels 0 and 1 alone: values from 1.5 on are clipped, the mean of (x - 1)^2 over them is 13/12, they are three quarters.
    clipped = one_bin(1, 3, values=8).errors(grids_of([1.0], codes=(0, 1)))
    assert (clipped.error_sq[0], clipped.clip_sq[0]) == pytest.approx((8 * 4 / 3, 8 * (8 - 0.125) / 6), rel=1e-4)
    assert clipped.clipped[0] == pytest.approx(6, rel=1e-4)
    # From 2 on everything bypasses: 1/3 is left of the error over [1, 2], half of the values.
    passed = one_bin(1, 3, values=8).errors(grids_of([1.0], limit=2.0, codes=(0, 1)))
    assert (passed.error_sq[0], passed.bypassed[0]) == pytest.approx((8 / 6, 4))
    every = one_bin(-3, -1, values=8).errors(grids_of([1.0], limit=-1.0))
    assert (every.error_sq[0], every.bypassed[0]) == (0, 8)


@pytest.mark.parametrize("p", [0.5, 2.0, 2.7, 3.0])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_search_sees_what_direct_evaluation_sees(p, sign):
    rng = np.random.default_rng(1)
    x = (sign * (rng.normal(size=(40_000, 3)) * [1, 20, 0.01] + [0.3, 0, 0.02])).astype(np.float32)
    reach = np.abs(x).max(0).astype(float)
    ratios = np.array([1.0, 0.8, 0.5, 0.2])
    half = torch.from_numpy(reach[:, None] * ratios)
    grid, limit = range_grid(-half, half, 4), 0.9 * reach[:, None] * ratios
    found = histogram(x).objectives(numbers(grid, limit), p, cosine=True)
    for place in range(len(ratios)):
        one = UniformGrid(grid.step[:, place], grid.zero_point[:, place], grid.code_low, grid.code_high)
        hat = torch.from_numpy(x).double()
        hat = torch.where(hat.abs() > torch.from_numpy(limit[:, place]), hat, one.quantize(hat)).numpy()
        error = hat - x
        assert found.power[:, place] == pytest.approx((np.abs(error) ** p).sum(0), rel=0.02)
        assert found.error_sq[:, place] == pytest.approx((error**2).sum(0), rel=0.02)
        assert found.cross[:, place] == pytest.approx((x * error).sum(0), rel=0.05, abs=0.002 * (x.astype(float) ** 2).sum())


def test_pooled_rows_hold_every_value_and_their_search_agrees():
    rng = np.random.default_rng(2)
    x = (rng.standard_t(3, (4000, 5)) * [1, 3, 0.1, 50, 1]).astype(np.float32)
    whole = histogram(x)
    rows = BinnedRows.together([histogram(part) for part in np.split(x, [1000, 2500])])
    octave = np.tile(np.where(np.arange(512) == 0, 0, 1 + (np.arange(512) - 1) // 16), 2)
    pooled = rows.pooled(5, octave)
    counted = np.add.reduceat(pooled.counts, pooled.offsets[:-1]) + np.diff(pooled.largest_offsets)
    assert counted.tolist() == [4000] * 5
    assert np.array_equal(np.sort(pooled.largest[:8]), np.sort(whole.largest[:8]))
    assert len(pooled.bins) < 0.6 * len(whole.bins)
    half = torch.from_numpy(np.abs(x).max(0).astype(float)[:, None] * 0.6 ** np.linspace(0, 1, 15))
    grids = numbers(range_grid(-half, half, 4), np.full((5, 15), np.inf))
    exact, wide = whole.objectives(grids, 2.0).power, pooled.objectives(grids, 2.0).power
    assert wide == pytest.approx(exact, rel=0.03)
    assert pooled.pooled(6, np.zeros(len(pooled.edges), int)).offsets[-2:].tolist()[0] > 0


def test_joined_bins_add_up():
    x = np.random.default_rng(3).normal(size=(500, 4)).astype(np.float32)
    rows = histogram(x)
    into = np.arange(1024) // 8
    edges = np.stack([bin_edges()[:, 0].reshape(-1, 8).min(1), bin_edges()[:, 1].reshape(-1, 8).max(1)], 1)
    joined = rows.joined(into, edges)
    for row in range(4):
        own, old = (slice(one.offsets[row], one.offsets[row + 1]) for one in (joined, rows))
        total = np.bincount(into[rows.bins[old]], rows.counts[old], 128)
        assert np.array_equal(total[joined.bins[own]], joined.counts[own]) and total.sum() == joined.counts[own].sum()
    octave = np.tile(np.arange(64) // 2, 2)
    after, at_once = joined.pooled(4, octave, fine=2), rows.pooled(4, octave, fine=2, onto=(into, edges))
    for name in vars(after):
        assert np.array_equal(getattr(after, name), getattr(at_once, name)), name


_AT_ONCE = """
import sys
sys.path.insert(0, "tests/quant")
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from test_binned_rows import grids_of, histogram
rows = histogram(np.random.default_rng(0).normal(size=(2000, 200)).astype(np.float32))
grids = grids_of(np.full(200, 0.3))
with ThreadPoolExecutor(4) as pool:
    found = list(pool.map(lambda _: rows.errors(grids).error_sq, range(200)))
assert all(np.array_equal(one, found[0]) for one in found)
"""


def test_several_sessions_may_ask_at_once():
    environment = os.environ | {"NUMBA_THREADING_LAYER": "workqueue", "NUMBA_NUM_THREADS": "2", "PYTHONPATH": "."}
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", _AT_ONCE], cwd=root, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_largest_value_without_its_bin_is_refused():
    one = np.array([0, 1])
    counted, largest = (one, np.array([3], np.uint16), np.ones(1)), (one, np.ones(1, np.float32), np.array([5]))
    with pytest.raises(ValueError, match="not counted"):
        BinnedRows.of(np.zeros(1, int), counted, largest, (np.ones(1), np.ones(1)), bin_edges())


def test_edges_by_hand():
    low, high = np.array([-1.0, -4.0, 2.0, 0.0]), np.array([3.0, 1.0, 5.0, 6.0])
    masked = np.array([False, True, False, True])
    found = base_edges(low, high, masked, "inner", "asymmetric")
    assert [edge.tolist() for edge in found] == [[-3, -1, 2, 0], [3, 1, 5, 6]]
    found = base_edges(low, high, masked, "absmax", "symmetric")
    assert [edge.tolist() for edge in found] == [[-3, -4, -5, -6], [3, 4, 5, 6]]
    assert base_edges(low, high, masked, "minmax", "symmetric") == (low, high)


def test_several_grids_at_once_are_those_grids_one_by_one():
    rng = np.random.default_rng(5)
    x = (rng.standard_t(3, (2000, 9)) * rng.uniform(0.1, 9, 9)).astype(np.float32)
    rows, reach = histogram(x), torch.from_numpy(np.abs(x).max(0).astype(float))
    several = [
        numbers(range_grid(-clip * reach, clip * reach, bits), np.full(9, limit))
        for bits, clip, limit in ((2, 1.0, np.inf), (4, 0.3, np.inf), (8, 0.9, 2.0), (3, 0.5, -1.0))
    ]
    threads = numba.get_num_threads()
    together = rows.errors_on(stacked(several))
    assert numba.get_num_threads() == threads
    for place, grids in enumerate(several):
        alone = rows.errors(grids)
        for name in vars(alone):
            found = getattr(together, name)
            assert np.array_equal(getattr(alone, name), found if found.ndim == 1 else found[:, place]), name
