"""Quantisation error of channels from their histograms alone, on any grid, without the model, while a slider moves.

Values are taken as spread evenly over their bin, and the error of the one quantiser is integrated over it in one compiled loop
(`binned_loops.py`), for any exponent and for several grids to choose from. The largest values of a channel are known exactly;
they leave their bins and are quantised themselves.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock

import numba
import numpy as np

from morphoquant.quant import binned_joins as joins
from morphoquant.quant import binned_loops as loops

# Two sessions of a page may ask at once; of numba's thread pools, the one that is always there ends the process then.
_ONE_AT_A_TIME = Lock()


@dataclass(frozen=True, eq=False)
class StaticGrids:
    """One grid a channel, as numbers.

    Attributes:
        step: distance of two levels, float64 [K], or [K, grids] for several to choose from.
        zero: code of the value zero, of the same shape.
        limit: magnitude above which values bypass without error, of the same shape; inf for none, below 0 for all.
        code_low: smallest code.
        code_high: largest code.
    """

    step: np.ndarray
    zero: np.ndarray
    limit: np.ndarray
    code_low: int
    code_high: int


def stacked(several: Sequence[StaticGrids]) -> tuple[np.ndarray, ...]:
    """Grids of one step a channel for `BinnedRows.errors_on`: step, zero, limit [K, grids], lowest and highest code [grids]."""
    placed = (np.stack([getattr(grids, name) for grids in several], 1) for name in ("step", "zero", "limit"))
    return *placed, *(np.array([getattr(grids, name) for grids in several], float) for name in ("code_low", "code_high"))


@dataclass(frozen=True, eq=False)
class Sums:
    """Sums over the values of each row; add rows up before taking ratios or decibels.

    Float64 [R]; of several grids [R, grids], but for the first two, which no grid changes.

    Attributes:
        values: how many.
        signal_sq: sum of squares.
        error_sq: expected sum of squared errors.
        clip_sq: part of it from values beyond the grid by more than half a step.
        clipped: such values.
        bypassed: values that bypass the grid.
    """

    values: np.ndarray
    signal_sq: np.ndarray
    error_sq: np.ndarray
    clip_sq: np.ndarray
    clipped: np.ndarray
    bypassed: np.ndarray


@dataclass(frozen=True, eq=False)
class Objectives:
    """Sums over the values of each row on each of several grids, float64 [R, grids]; `signal_sq` and `values` [R].

    Attributes:
        power: expected sum of |error|^p.
        cross: expected sum of x * error, where error is the quantised value less x.
        error_sq: expected sum of squared errors.
        signal_sq: sum of squares.
        values: how many.
    """

    power: np.ndarray
    cross: np.ndarray
    error_sq: np.ndarray
    signal_sq: np.ndarray
    values: np.ndarray


@dataclass(frozen=True, eq=False)
class BinnedRows:
    """Histograms of channels, one row for each of several kinds of tokens, ready to be summed over.

    Attributes:
        channel: channel of each row, int64 [R].
        offsets: start of each row in `bins`, and the end, int64 [R + 1].
        bins: bins that hold a value, ascending in magnitude within a row and sign [E].
        counts: values in each of `bins` that are not among `largest`, float32 [E].
        largest_offsets: start of each row in `largest`, and the end, int64 [R + 1].
        largest: exact values of largest magnitude, float32.
        low: smallest of the counted values of each row, float64 [R].
        high: largest of them [R].
        edges: signed (low, high) of each bin, float64 [bins, 2].
    """

    channel: np.ndarray
    offsets: np.ndarray
    bins: np.ndarray
    counts: np.ndarray
    largest_offsets: np.ndarray
    largest: np.ndarray
    low: np.ndarray
    high: np.ndarray
    edges: np.ndarray

    @classmethod
    def of(
        cls,
        channel: np.ndarray,
        histogram: tuple[np.ndarray, np.ndarray, np.ndarray],
        largest: tuple[np.ndarray, np.ndarray, np.ndarray],
        extremes: tuple[np.ndarray, np.ndarray],
        edges: np.ndarray,
    ) -> "BinnedRows":
        """Takes the largest values out of their bins.

        Args:
            channel: of each row [R].
            histogram: offsets, bins and counts of all values.
            largest: offsets, values and the bin of each value.
            extremes: smallest and largest value of each row [R].
            edges: of the bins.

        Raises:
            ValueError: a largest value whose bin is not in its row.
        """
        offsets, bins, counts = histogram
        starts, values, taken = largest
        rest = counts.astype(np.float32)
        if joins.without(offsets, bins, rest, starts, taken.astype(bins.dtype)):
            raise ValueError("a largest value is not counted in its histogram")
        reach = np.full(len(channel), np.inf)
        np.minimum.at(reach, np.repeat(np.arange(len(reach)), np.diff(starts)), np.abs(values))
        low, high = np.maximum(extremes[0], -reach), np.minimum(extremes[1], reach)
        return cls(channel.astype(np.int64), offsets, bins, rest, starts, values, low, high, edges)

    def joined(self, into: np.ndarray, edges: np.ndarray) -> "BinnedRows":
        """The same rows on wider bins, `into` [bins] says which; their order stays."""
        offsets, bins, counts = joins.joined(self.offsets, self.bins, self.counts, into.astype(self.bins.dtype))
        kept = self.largest_offsets, self.largest, self.low, self.high
        return BinnedRows(self.channel, offsets, bins, counts, *kept, edges)

    def pooled(
        self,
        channels: int,
        octave: np.ndarray,
        most: int = 8,
        fine: int = 4,
        onto: tuple[np.ndarray, np.ndarray] | None = None,
    ) -> "BinnedRows":
        """One row for each of `channels` channels, empty for one that no row names, to search grids on.

        Bins far below the channel's largest are joined to one an octave, since every grid rounds them alike.

        Args:
            channels: how many there are.
            octave: octave of each bin; bins of one sign and octave are neighbours [bins].
            most: largest values of a channel that stay exact; the others go back to their bins.
            fine: octaves that keep their bins.
            onto: arguments of `joined`, to pool the rows on wider bins, which `octave` is then of.
        """
        into, own = onto or (np.arange(len(self.edges)), self.edges)
        line = np.argsort(own[:, 0])
        negative = own[:, 0] < 0
        _, wide = np.unique(octave + (octave.max() + 1) * negative, return_inverse=True)
        edges = np.stack([np.full(wide.max() + 1, np.inf), np.full(wide.max() + 1, -np.inf)], axis=1)
        np.minimum.at(edges[:, 0], wide, own[:, 0])
        np.maximum.at(edges[:, 1], wide, own[:, 1])
        order = into.astype(np.int64), line, *own[line].T.copy()
        joining = octave.astype(np.int64), (len(own) + wide).astype(self.bins.dtype), fine
        found = joins.pooled(*self._flat()[:-1], self.channel, channels, most, *order, *joining)
        return BinnedRows(np.arange(channels), *found, np.concatenate([own, edges]))

    @staticmethod
    def together(parts: Sequence["BinnedRows"]) -> "BinnedRows":
        """Rows on the same bins, one part after the other; channels keep their numbers."""

        def row(name: str) -> np.ndarray:
            return np.concatenate([getattr(part, name) for part in parts])

        def ends(name: str) -> np.ndarray:
            steps = [np.diff(getattr(part, name)) for part in parts]
            return np.concatenate([[0], np.cumsum(np.concatenate(steps))]).astype(np.int64)

        flat = (row("channel"), ends("offsets"), row("bins"), row("counts"), ends("largest_offsets"), row("largest"))
        return BinnedRows(*flat, row("low"), row("high"), parts[0].edges)

    def errors(self, grids: StaticGrids) -> Sums:
        """Sums of each row on the grid of its channel."""
        plain, found = self._errors(stacked([grids]))
        return Sums(*plain.T, *found[:, :, 0].T)

    def errors_on(self, several: tuple[np.ndarray, ...]) -> Sums:
        """`errors` of several grids, as `stacked` gives them, for less than as many times the work.

        On the calling thread alone: it is for some rows of many, while others read the next ones.
        """
        threads = numba.get_num_threads()
        numba.set_num_threads(1)
        try:
            plain, found = self._errors(several)
        finally:
            numba.set_num_threads(threads)
        return Sums(*plain.T, *np.moveaxis(found, 1, 0))

    def _errors(self, several: tuple[np.ndarray, ...]) -> tuple[np.ndarray, np.ndarray]:
        with _ONE_AT_A_TIME:
            return loops.errors(*self._flat(), self.channel, *several)

    def objectives(self, grids: StaticGrids, p: float, cosine: bool = False) -> Objectives:
        """Sums of each row on each of the grids of its channel; for pooled rows, one a channel.

        Args:
            grids: with step, zero and limit [R, grids].
            p: exponent, above 0.
            cosine: whether `cross` and `error_sq` are wanted, which take as long again; without, they hold the largest alone.
        """
        codes = float(grids.code_low), float(grids.code_high)
        with _ONE_AT_A_TIME:
            sums, plain = loops.objectives(*self._flat(), grids.step, grids.zero, grids.limit, *codes, float(p), cosine)
        return Objectives(*np.moveaxis(sums, 1, 0), *plain.T)

    def _flat(self) -> tuple[np.ndarray, ...]:
        counted = self.offsets, self.bins, self.counts, self.low, self.high
        return *counted, self.largest_offsets, self.largest, self.edges
