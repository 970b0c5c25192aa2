"""Errors from histograms alone, against the directly measured ones."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made_rows import direct, histogram, numbers, wide

from morphoquant.quant.binned_rows import BinnedRows
from morphoquant.quant.grid import asymmetric_grid, range_grid, symmetric_grid
from morphoquant.stats.bins import bin_edges

ROWS, CHANNELS = 1000, 16


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


@pytest.fixture(scope="module", params=KINDS)
def drawn(request):
    x = draw(request.param)
    return x, histogram(x)


@pytest.mark.parametrize("clip", [0.5, 0.6, 0.8, 1.0])
@pytest.mark.parametrize("bits", range(2, 9))
def test_within_a_fifth_of_a_decibel_of_the_measured_error(drawn, bits, clip):
    x, rows = drawn
    low, high = torch.from_numpy(x.min(0)) * clip, torch.from_numpy(x.max(0)) * clip
    top = torch.maximum(low.abs(), high.abs())
    for grid in (range_grid(low, high, bits), range_grid(-top, top, bits)):
        found, (error, clipped) = rows.errors(numbers(grid)), direct(x, grid)
        assert abs(10 * np.log10(found.error_sq.sum() / error.sum())) < 0.2
        signal = (x.astype(np.float64) ** 2).sum()
        assert abs(10 * np.log10(found.signal_sq.sum() / signal)) < 0.02
        assert found.clip_sq.sum() == pytest.approx(clipped.sum(), abs=0.04 * error.sum())


def test_largest_values_are_exact_and_leave_their_bins():
    x = np.array([[2800.0], [-1700.0], [0.25], [-0.25], [1.0], [0.0], [65536.0], [-200000.0]], np.float32)
    rows = histogram(x)
    for grid in (symmetric_grid(torch.tensor([3000.0]), 4), asymmetric_grid(torch.tensor([-2.0]), torch.tensor([900.0]), 3)):
        found, (error, clipped) = rows.errors(numbers(grid)), direct(x, grid)
        assert found.error_sq == pytest.approx(error, rel=1e-6) and found.clip_sq == pytest.approx(clipped, rel=1e-6)
        assert found.signal_sq[0] == pytest.approx(float((x.astype(np.float64) ** 2).sum()))
        assert found.values[0] == len(x)


def alone(index: int) -> BinnedRows:
    """One value, anywhere in a bin."""
    counted = np.array([0, 1]), np.array([index], np.uint16), np.ones(1)
    none = np.zeros(2, np.int64), np.empty(0, np.float32), np.empty(0, np.int64)
    return BinnedRows.of(np.zeros(1, int), counted, none, (np.array([-np.inf]), np.array([np.inf])), bin_edges())


@settings(max_examples=60, deadline=None)
@given(
    index=st.sampled_from([0, 1, 100, 250, 256, 257, 265, 280, 300, 340, 600, 760, 770, 800, 840]),
    bits=st.integers(2, 8),
    edges=st.tuples(st.floats(-4, 0.9), st.floats(1, 5)),
    limit=st.sampled_from([np.inf, 3.0, 1.02, 0.5, -1.0]),
)
def test_integrals_over_a_bin_are_the_means_of_a_dense_quadrature(index, bits, edges, limit):
    grid = wide(range_grid(*(torch.tensor([edge]) for edge in edges), bits))
    low, high = bin_edges()[index]
    x = torch.from_numpy(low + (high - low) * (np.arange(20001) + 0.5) / 20001)
    kept, beyond = x.abs() <= limit, grid.clipped(x)
    error = (grid.quantize(x) - x) ** 2 * kept
    found = alone(index).errors(numbers(grid, limit))
    # The points' spacing shows at a jump of the error, rounding where all of the bin bypasses.
    least = 1e-3 * float(error.max()) + 1e-12 * float((x * x).max())
    assert found.error_sq[0] == pytest.approx(float(error.mean()), rel=1e-3, abs=least)
    assert found.clip_sq[0] == pytest.approx(float((error * beyond).mean()), rel=1e-3, abs=least)
    assert found.signal_sq[0] == pytest.approx(float((x * x).mean()), rel=1e-6)
    assert found.clipped[0] == pytest.approx(float((beyond & kept).double().mean()), abs=1e-3)
    assert found.bypassed[0] == pytest.approx(1 - float(kept.double().mean()), abs=1e-3)


def test_bypassed_values_have_no_error():
    x = draw("student-t") * (np.arange(CHANNELS) > 1)
    rows = histogram(x)
    top = np.abs(x).max(0) * 0.3
    grid = symmetric_grid(torch.from_numpy(top), 4)
    limit = np.where(np.arange(CHANNELS) % 2, top * 0.8, np.inf)
    error, _ = direct(x, grid, limit)
    assert abs(10 * np.log10(rows.errors(numbers(grid, limit)).error_sq.sum() / error.sum())) < 0.2
    every = rows.errors(numbers(grid, -1.0))
    assert every.error_sq.sum() == every.clip_sq.sum() == 0 and every.bypassed.sum() == x.size


def test_slots_share_the_grid_of_their_channel():
    x = draw("gaussian")
    grid = numbers(symmetric_grid(torch.from_numpy(np.abs(x).max(0)), 4))
    parts = histogram(x, np.arange(ROWS) % 3).errors(grid).error_sq.reshape(3, CHANNELS)
    np.testing.assert_allclose(parts.sum(0), histogram(x).errors(grid).error_sq, rtol=0.03)
