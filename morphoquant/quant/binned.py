"""Quantisation error of a channel from its histogram alone, at any bit-width and clip ratio, without the model.

Values are taken as spread evenly over their bin, and the error of the one quantiser is integrated over it. In units of
the step, with u = x / step + zero_point and n the code of u, the squared error has the antiderivative

    F(u) = n / 12 + (u - n)^3 / 3

inside the grid (each whole level adds 1/12) and beyond it (n stays at the outermost code, the cube grows), so every bin
takes two evaluations of the quantiser, whatever the number of levels in it. The largest values of a channel are known
exactly; they leave their bins and are quantised themselves.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from morphoquant.quant.grid import UniformGrid
from morphoquant.quant.threads import one_thread

# Bins evaluated at a time, so that the intermediate vectors stay in the processor's cache.
_CHUNK = 1 << 14


@dataclass(frozen=True, eq=False)
class HistogramRows:
    """Histograms of R (slot, channel) pairs of one layer input, flat as Arrow keeps its lists.

    Attributes:
        channel: channel of each row [R]; the rows of several slots may name the same channel.
        offsets: start of each row in `bins`, with the end as last entry [R + 1].
        bins: bins that hold a value, ascending within a row [E].
        counts: values in each of `bins` [E].
        largest_offsets: start of each row in `largest` [R + 1].
        largest: exact values of largest magnitude, counted in the bins as well.
        low: exact smallest value of each row [R]; None if not known. With it the lowest bin ends where the values do, which
            matters for one-signed channels on fine grids.
        high: exact largest value [R], likewise.
    """

    channel: np.ndarray
    offsets: np.ndarray
    bins: np.ndarray
    counts: np.ndarray
    largest_offsets: np.ndarray
    largest: np.ndarray
    low: np.ndarray | None = None
    high: np.ndarray | None = None

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper bound of the values of each row that are not among `largest`, float64 [R]."""
        reach = np.full(len(self.channel), np.inf)
        np.minimum.at(reach, np.repeat(np.arange(len(reach)), np.diff(self.largest_offsets)), np.abs(self.largest))
        low = -reach if self.low is None else np.maximum(self.low, -reach)
        high = reach if self.high is None else np.minimum(self.high, reach)
        return low, high


@dataclass(frozen=True, eq=False)
class BinnedError:
    """Sums over the values of each histogram row, float64 [R]; add rows up before taking ratios or decibels.

    Attributes:
        count: values.
        signal_sq: sum of squares.
        error_sq: expected sum of squared errors.
        clip_sq: part of it from values beyond the grid by more than half a step.
        round_sq: the rest.
    """

    count: np.ndarray
    signal_sq: np.ndarray
    error_sq: np.ndarray
    clip_sq: np.ndarray
    round_sq: np.ndarray


@one_thread()
def binned_error(rows: HistogramRows, edges: np.ndarray, grid: UniformGrid, limit: np.ndarray | None = None) -> BinnedError:
    """Expected squared error of histogram rows on a static grid.

    Args:
        rows: the histograms.
        edges: signed (low, high) of each bin, low < high, float64 [bins, 2].
        grid: one grid a channel, with step [K], or one for all.
        limit: magnitude above which a channel's values bypass the grid, without error [K]; inf or NaN for none.

    Returns:
        The sums of each row.

    Raises:
        ValueError: a `largest` value whose bin is not in its row.
    """
    size = len(rows.channel)
    owner = np.repeat(np.arange(size), np.diff(rows.offsets))
    holder = np.repeat(np.arange(size), np.diff(rows.largest_offsets))
    rest = rows.counts.astype(np.float64)
    np.subtract.at(rest, _entries(rows, owner, holder, edges), 1.0)

    lows, highs = (torch.from_numpy(np.ascontiguousarray(edges[:, side], np.float64)) for side in (0, 1))
    channel = torch.from_numpy(rows.channel.astype(np.int64))
    bins = torch.from_numpy(rows.bins.astype(np.int64))
    step, zero = grid.step.double(), grid.zero_point.double()
    bound = None if limit is None else torch.from_numpy(np.nan_to_num(limit, nan=np.inf).astype(np.float64))

    def placed(of: np.ndarray) -> tuple[UniformGrid, Tensor | None]:
        where = channel[torch.from_numpy(of)]
        parts = (part if part.ndim == 0 else part[where] for part in (step, zero))
        return UniformGrid(*parts, grid.code_low, grid.code_high), None if bound is None else bound[where]

    sums = np.empty((3, len(rest)))
    least, most = (torch.from_numpy(edge) for edge in rows.bounds())
    for start in range(0, len(rest), _CHUNK):
        part = slice(start, start + _CHUNK)
        low = torch.maximum(lows[bins[part]], least[owner[part]])
        high = torch.minimum(highs[bins[part]], most[owner[part]])
        # A bin that is known to hold one single value keeps a width, so that the mean over it is defined.
        high = torch.maximum(high, low + low.abs() * 1e-6 + 1e-12)
        for row, means in zip(sums, _bin_means(low, high, *placed(owner[part])), strict=True):
            np.multiply(means.numpy(), rest[part], out=row[part])
    exact = _values(torch.from_numpy(rows.largest.astype(np.float64)), *placed(holder))
    signal, error, clip = (
        np.bincount(owner, binned, size) + np.bincount(holder, single.numpy(), size)
        for binned, single in zip(sums, exact, strict=True)
    )
    return BinnedError(np.bincount(owner, rows.counts, size), signal, error, clip, np.maximum(error - clip, 0.0))


def _entries(rows: HistogramRows, owner: np.ndarray, holder: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Position in `rows.bins` of the bin that counts each largest value."""
    order = np.argsort(edges[:, 0])
    # A bin is closed at the end nearer to zero, so ties look from that side; the outermost bins take what lies beyond.
    above = np.searchsorted(edges[order, 0], rows.largest, side="right") - 1
    below = np.searchsorted(edges[order, 1], rows.largest, side="left")
    negative = np.signbit(rows.largest)
    bins = order[np.clip(np.where(negative, below, above), 0, len(order) - 1)]
    keys = owner * len(edges) + rows.bins
    wanted = holder * len(edges) + bins
    entry = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
    if len(wanted) and not (len(keys) and np.array_equal(keys[entry], wanted)):
        raise ValueError("a largest value is not counted in its histogram")
    return entry


def _bin_means(low: Tensor, high: Tensor, grid: UniformGrid, limit: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Mean over each bin of x^2, squared error and its clipped part."""
    signal = (high * high + high * low + low * low) / 3
    scale = grid.step**3 / (high - low)
    if limit is not None:
        high = torch.minimum(high, limit)
        low = torch.minimum(torch.maximum(low, -limit), high)
        high = torch.maximum(high, low)
    first, last = grid.codes(low), grid.codes(high)
    below, above = low / grid.step + grid.zero_point - first, high / grid.step + grid.zero_point - last
    error = (last - first) / 12 + (above**3 - below**3) / 3
    over = [torch.where(code == grid.code_high, part.clamp_min(0.5), 0.5) for code, part in ((last, above), (first, below))]
    under = [torch.where(code == grid.code_low, part.clamp_max(-0.5), -0.5) for code, part in ((last, above), (first, below))]
    clip = (over[0] ** 3 - over[1] ** 3 + under[0] ** 3 - under[1] ** 3) / 3
    return signal, (error * scale).clamp_min_(0), (clip * scale).clamp_min_(0)


def _values(x: Tensor, grid: UniformGrid, limit: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """x^2, squared error and its clipped part of single values."""
    error = (grid.quantize(x) - x) ** 2
    if limit is not None:
        error = torch.where(x.abs() > limit, torch.zeros_like(error), error)
    return x * x, error, torch.where(grid.clipped(x), error, torch.zeros_like(error))
