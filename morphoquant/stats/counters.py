"""Per-channel histograms with 16-bit counters that never overflow.

Two bytes a bin halve both the memory and the cache lines that counting touches. What does not fit into them is moved, in
time, to a sparse overflow: no counter can gain more than one a row, so only the rows since the last look matter. After
49,151 rows at most, bins that reached a quarter of the range are moved; few bins of few channels ever do.
"""

from dataclasses import dataclass

import numpy as np

from morphoquant.stats.bins import BIN_COUNT

LEVEL = 1 << 14  # counters that reach this are moved to the overflow
ROOM = 65535 - LEVEL  # rows that may follow before the next look


@dataclass
class Overflow:
    """Counts moved out of the 16-bit counters of one slot, by flat bin index (channel * BIN_COUNT + bin)."""

    index: np.ndarray
    counts: np.ndarray

    @classmethod
    def empty(cls) -> "Overflow":
        """Nothing moved yet."""
        return cls(np.empty(0, np.int64), np.empty(0, np.int64))

    def add(self, index: np.ndarray, counts: np.ndarray) -> None:
        """Adds counts of unique indices."""
        if len(index) == 0:
            return
        both = np.concatenate([self.index, index])
        self.index, place = np.unique(both, return_inverse=True)
        amounts = np.concatenate([self.counts, counts.astype(np.int64)])
        self.counts = np.zeros(len(self.index), np.int64)
        np.add.at(self.counts, place, amounts)


def relieve(counters: np.ndarray, overflow: Overflow) -> None:
    """Moves the large counters of [K, BIN_COUNT] to the overflow; all are below LEVEL afterwards."""
    flat = counters.reshape(-1)
    index = np.flatnonzero(flat >= LEVEL)
    overflow.add(index, flat[index])
    flat[index] = 0


def add_counts(counters: np.ndarray, overflow: Overflow, index: np.ndarray, counts: np.ndarray) -> None:
    """Adds counts of unique flat indices, of any size, to relieved counters; call `relieve` next."""
    flat = counters.reshape(-1)
    small = counts < LEVEL
    flat[index[small]] += counts[small].astype(np.uint16)
    overflow.add(index[~small], counts[~small])


def nonzero(counters: np.ndarray, overflow: Overflow) -> tuple[np.ndarray, np.ndarray]:
    """Flat indices, ascending, of the bins that hold something, and their int64 counts."""
    total = counters.reshape(-1)
    if len(overflow.index):
        total = total.astype(np.int64)
        total[overflow.index] += overflow.counts
    index = np.flatnonzero(total)
    return index, total[index].astype(np.int64)


def offsets_of(index: np.ndarray, channels: int) -> np.ndarray:
    """int32 [channels + 1]: where each channel's bins start in ascending flat indices."""
    return np.searchsorted(index, np.arange(channels + 1, dtype=np.int64) * BIN_COUNT).astype(np.int32)
