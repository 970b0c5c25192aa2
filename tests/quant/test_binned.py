"""Errors from histograms alone, against the directly measured ones."""

import time

import numpy as np
import pytest
import torch

from morphoquant.quant.binned import HistogramRows, binned_error
from morphoquant.quant.grid import UniformGrid, asymmetric_grid, range_grid, symmetric_grid
from morphoquant.stats.bins import bin_edges, bin_of

ROWS, CHANNELS, LARGEST = 1000, 16, 8


def histogram(x: np.ndarray, slots: np.ndarray) -> HistogramRows:
    """Rows of every (slot, channel) of x [n, K], as a capture stores them."""
    channel, bins, counts, largest, low, high = [], [], [], [], [], []
    for slot in np.unique(slots):
        for index in range(x.shape[1]):
            values = x[slots == slot, index]
            found, number = np.unique(bin_of(values), return_counts=True)
            channel.append(index)
            bins.append(found)
            counts.append(number)
            largest.append(values[np.argsort(-np.abs(values))[:LARGEST]])
            low.append(values.min())
            high.append(values.max())
    offsets, ends = ([0, *np.cumsum([len(part) for part in parts])] for parts in (bins, largest))
    joined = (np.concatenate(parts) for parts in (bins, counts))
    extremes = np.array(low, np.float64), np.array(high, np.float64)
    return HistogramRows(np.array(channel), np.array(offsets), *joined, np.array(ends), np.concatenate(largest), *extremes)


def draw(kind: str) -> np.ndarray:
    rng = np.random.default_rng(0)
    scale = rng.lognormal(0, 1, CHANNELS)
    x = {
        "gaussian": lambda: rng.normal(size=(ROWS, CHANNELS)) * scale,
        "laplace": lambda: rng.laplace(size=(ROWS, CHANNELS)) * scale,
        "student-t": lambda: rng.standard_t(3, (ROWS, CHANNELS)) * scale,
        "one channel": lambda: rng.normal(size=(ROWS, CHANNELS)) * np.where(np.arange(CHANNELS) == 5, 300.0, 1.0),
        "massive": lambda: rng.normal(size=(ROWS, CHANNELS)) + 2800 * (rng.random((ROWS, CHANNELS)) < 2e-4),
        "one-signed": lambda: np.abs(rng.normal(size=(ROWS, CHANNELS))) * scale + scale,
        "relu": lambda: np.maximum(rng.normal(size=(ROWS, CHANNELS)) * scale, 0),
    }[kind]()
    return x.astype(np.float32)


KINDS = ["gaussian", "laplace", "student-t", "one channel", "massive", "one-signed", "relu"]


def direct(x: np.ndarray, grid: UniformGrid) -> tuple[float, float]:
    values = torch.from_numpy(x).double()
    error = (
        UniformGrid(grid.step.double(), grid.zero_point.double(), grid.code_low, grid.code_high).quantize(values) - values
    ) ** 2
    return float(error.sum()), float((error * grid.clipped(values)).sum())


@pytest.fixture(scope="module", params=KINDS)
def drawn(request):
    x = draw(request.param)
    return x, histogram(x, np.zeros(ROWS))


@pytest.mark.parametrize("clip", [0.5, 0.6, 0.8, 1.0])
@pytest.mark.parametrize("bits", range(2, 9))
def test_within_a_fifth_of_a_decibel_of_the_measured_error(drawn, bits, clip):
    x, rows = drawn
    low, high = torch.from_numpy(x.min(0)) * clip, torch.from_numpy(x.max(0)) * clip
    top = torch.maximum(low.abs(), high.abs())
    for grid in (range_grid(low, high, bits), range_grid(-top, top, bits)):
        found, (error, clipped) = binned_error(rows, bin_edges(), grid), direct(x, grid)
        assert abs(10 * np.log10(found.error_sq.sum() / error)) < 0.2
        signal = (x.astype(np.float64) ** 2).sum()
        assert abs(10 * np.log10(found.signal_sq.sum() / signal)) < 0.02
        assert found.clip_sq.sum() == pytest.approx(clipped, abs=0.04 * error)
        np.testing.assert_allclose(found.clip_sq + found.round_sq, found.error_sq)


def test_largest_values_are_exact_and_leave_their_bins():
    x = np.array([[2800.0], [-1700.0], [0.25], [-0.25], [1.0], [0.0], [65536.0], [-200000.0]], np.float32)
    rows = histogram(x, np.zeros(len(x)))
    for grid in (symmetric_grid(torch.tensor([3000.0]), 4), asymmetric_grid(torch.tensor([-2.0]), torch.tensor([900.0]), 3)):
        found, (error, clipped) = binned_error(rows, bin_edges(), grid), direct(x, grid)
        assert found.error_sq[0] == pytest.approx(error, rel=1e-6)
        assert found.clip_sq[0] == pytest.approx(clipped, rel=1e-6)
        assert found.signal_sq[0] == pytest.approx(float((x.astype(np.float64) ** 2).sum()))
        assert found.count[0] == len(x)


def test_integral_over_a_bin_is_the_mean_of_a_dense_quadrature():
    edges = bin_edges()
    picked = np.array([0, 1, 100, 250, 256, 257, 300, 340, 600, 760, 800, 840])
    none = np.zeros(len(picked) + 1, np.int64)
    rows = HistogramRows(
        np.zeros(len(picked), int), np.arange(len(picked) + 1), picked, np.ones(len(picked)), none, np.empty(0, np.float32)
    )
    points = (np.arange(20001) + 0.5) / 20001
    for grid in (
        range_grid(torch.tensor([-1.1]), torch.tensor([1.3]), 8),
        range_grid(torch.tensor([0.9]), torch.tensor([3.0]), 2),
    ):
        grid = UniformGrid(grid.step.double(), grid.zero_point.double(), grid.code_low, grid.code_high)
        found = binned_error(rows, edges, grid)
        for row, index in enumerate(picked):
            low, high = edges[index]
            x = torch.from_numpy(low + (high - low) * points)[:, None]
            error = (grid.quantize(x) - x) ** 2
            assert found.error_sq[row] == pytest.approx(float(error.mean()), rel=1e-4)
            assert found.clip_sq[row] == pytest.approx(float((error * grid.clipped(x)).mean()), rel=1e-3, abs=1e-6)


def test_bypassed_values_have_no_error():
    x = draw("student-t")
    rows = histogram(x, np.zeros(ROWS))
    top = torch.from_numpy(np.abs(x).max(0)) * 0.3
    grid = symmetric_grid(top, 4)
    limit = np.where(np.arange(CHANNELS) % 2, top.numpy() * 0.8, np.nan)
    values = torch.from_numpy(x).double()
    error = ((grid.quantize(values) - values) ** 2).numpy()
    error[np.abs(x) > np.nan_to_num(limit, nan=np.inf)] = 0
    found = binned_error(rows, bin_edges(), grid, limit)
    assert abs(10 * np.log10(found.error_sq.sum() / error.sum())) < 0.2
    assert binned_error(rows, bin_edges(), grid, np.zeros(CHANNELS)).error_sq.sum() == 0


def test_slots_share_a_grid_and_a_foreign_largest_value_is_refused():
    x = draw("gaussian")
    slots = np.arange(ROWS) % 3
    whole, parts = histogram(x, np.zeros(ROWS)), histogram(x, slots)
    grid = symmetric_grid(torch.from_numpy(np.abs(x).max(0)), 4)
    error = binned_error(parts, bin_edges(), grid).error_sq.reshape(3, CHANNELS)
    np.testing.assert_allclose(error.sum(0), binned_error(whole, bin_edges(), grid).error_sq, rtol=0.03)
    broken = HistogramRows(whole.channel, whole.offsets, whole.bins, whole.counts, whole.largest_offsets, whole.largest * 5000)
    with pytest.raises(ValueError, match="not counted"):
        binned_error(broken, bin_edges(), grid)


def test_a_layer_of_1536_channels_and_three_modalities_is_quick():
    held = 200
    bins = np.tile(np.arange(held) * 5, 4608)
    rows = HistogramRows(
        np.tile(np.arange(1536), 3),
        np.arange(4609) * held,
        bins,
        np.ones(len(bins)),
        np.zeros(4609, int),
        np.empty(0, np.float32),
    )
    grid = symmetric_grid(torch.rand(1536) + 0.1, 4)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        binned_error(rows, bin_edges(), grid)
        times.append(time.perf_counter() - start)
    assert min(times) < 1.0, f"{min(times):.3f} s: a tenth of a second on an idle machine"
