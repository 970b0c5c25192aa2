"""Histograms of made-up values, as a capture stores them, and grids as numbers."""

import numpy as np
import torch

from morphoquant.quant.binned_rows import BinnedRows, StaticGrids
from morphoquant.quant.grid import UniformGrid
from morphoquant.stats.bins import bin_edges, bin_of

LARGEST = 8


def histogram(x: np.ndarray, slots: np.ndarray | None = None) -> BinnedRows:
    """A row for each slot and channel of x [n, K]; one slot where none are given."""
    slots = np.zeros(len(x)) if slots is None else slots
    columns = [(index, x[slots == slot, index]) for slot in np.unique(slots) for index in range(x.shape[1])]
    bins, counts = zip(*(np.unique(bin_of(values), return_counts=True) for _, values in columns), strict=True)
    largest = [values[np.argsort(-np.abs(values), kind="stable")[:LARGEST]] for _, values in columns]
    offsets, ends = (np.cumsum([0, *map(len, parts)]) for parts in (bins, largest))
    counted, taken = (offsets, np.concatenate(bins).astype(np.uint16), np.concatenate(counts)), np.concatenate(largest)
    extremes = np.array([(values.min(), values.max()) for _, values in columns], np.float64).T
    return BinnedRows.of(np.array([index for index, _ in columns]), counted, (ends, taken, bin_of(taken)), extremes, bin_edges())


def numbers(grid: UniformGrid, limit: np.ndarray | float = np.inf) -> StaticGrids:
    """The numbers of a grid with a step for each channel."""
    step, zero = (part.double().numpy() for part in (grid.step, grid.zero_point))
    return StaticGrids(step, zero, np.broadcast_to(limit, step.shape).astype(float), grid.code_low, grid.code_high)


def wide(grid: UniformGrid) -> UniformGrid:
    """The grid in float64."""
    return UniformGrid(grid.step.double(), grid.zero_point.double(), grid.code_low, grid.code_high)


def direct(x: np.ndarray, grid: UniformGrid, limit: np.ndarray | float = np.inf) -> tuple[np.ndarray, np.ndarray]:
    """Squared error of the values x [n, K] on a grid of each channel, and its clipped part, summed over n: [K] each."""
    values, grid = torch.from_numpy(x).double(), wide(grid)
    error = ((grid.quantize(values) - values) ** 2).numpy()
    error[np.abs(x) > limit] = 0
    return error.sum(0), (error * grid.clipped(values).numpy()).sum(0)
