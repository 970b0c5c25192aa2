"""Histograms 16 times finer, of the few channels whose error is a layer's error.

On one static range a channel, a rounding error grows with the channel's range: one wide channel can hold half of the error of
its layer input. At 8 bits its bins of 1/16 octave are several steps wide, and values that recur (a question's wording after the
same opening) make what happens inside a bin matter. So the channels that are widest in the first rows are counted at 256 bins
an octave as well. Which those are depends on what came first; parts that chose others add up where they agree. A fine count is
therefore knowledge about some of the values that the histogram proper counts, all of them as a rule.
"""

from collections.abc import Mapping

import numpy as np
from numba import njit

from morphoquant.core.modality import MODALITIES, POSITIONS
from morphoquant.stats.bins import FINE_BASE, FINE_COUNT, FINE_SHIFT, FINE_SIGN, PARTS
from morphoquant.stats.columns import Ragged

WIDE = 2
_SLOTS = len(MODALITIES) * len(POSITIONS)


class FineCounts:
    """Fine histograms of `channels`, by slot; which channels is settled by the first rows."""

    def __init__(self):
        self.channels = np.empty(0, np.int64)
        # Pages of slots that never occur are never written, so they take no memory.
        self._counts = np.zeros((_SLOTS, WIDE, FINE_COUNT), np.uint32)

    def choose(self, low: np.ndarray, high: np.ndarray) -> None:
        """Settles the channels by the extremes [slots, K] so far."""
        reach = np.maximum(high.max(0), -low.min(0))
        absmax = np.where(np.isfinite(reach), reach, 0.0)
        self.channels = np.sort(np.argsort(-absmax, kind="stable")[:WIDE]).astype(np.int64)

    def update(self, x: np.ndarray, order: np.ndarray, starts: np.ndarray, slots: np.ndarray) -> None:
        """Adds rows.

        Args:
            x: float32 [rows, `len(channels)`].
            order: row numbers, those of one slot together.
            starts: where in `order` each slot's rows start, and the end.
            slots: of each of them, int64.
        """
        _count(x, order, starts, slots, self._counts)

    def add(self, channels: np.ndarray, counts: Mapping[int, tuple[np.ndarray, np.ndarray]]) -> None:
        """Adds counts made elsewhere: by slot flat indices (place of the channel * FINE_COUNT + bin) and what to add there.

        Args:
            channels: counted ones; the same as here, if these are settled.
            counts: int64 indices, each once, and int64 counts.
        """
        self.channels = channels
        for slot, (index, more) in counts.items():
            self._counts[slot].reshape(-1)[index] += more.astype(np.uint32)

    def merge(self, other: "FineCounts") -> None:
        """Adds what `other` counted of the same channels."""
        if len(self.channels) == 0:
            self.channels = other.channels
        for mine, channel in enumerate(self.channels):
            for theirs in np.flatnonzero(other.channels == channel):
                self._counts[:, mine] += other._counts[:, theirs]

    def rows(self, slot: int) -> dict[str, "np.ndarray | Ragged"]:
        """channel, bins, counts of one slot, a row a channel."""
        held = self._counts[slot, : len(self.channels)]
        owner, bins = np.nonzero(held)
        offsets = np.searchsorted(owner, np.arange(len(self.channels) + 1)).astype(np.int32)
        return {
            "channel": self.channels.astype(np.int32),
            "bins": Ragged(offsets, bins.astype(np.uint16)),
            "counts": Ragged(offsets, held[owner, bins]),
        }

    def restore(self, slot: int, columns: dict) -> None:
        """Inverse of `rows`, slot by slot."""
        self.channels = np.asarray(columns["channel"], np.int64)
        for place in range(len(self.channels)):
            self._counts[slot, place, columns["bins"][place]] = columns["counts"][place]


@njit(cache=True, nogil=True)
def _count(x, order, starts, slots, counts):
    bits = x.view(np.int32)
    for index in range(len(slots)):
        for at in range(starts[index], starts[index + 1]):
            for place in range(x.shape[1]):
                value = bits[order[at], place]
                magnitude = value & 0x7FFFFFFF
                if magnitude >= 0x7F800000:
                    continue  # NaN and infinities are counted elsewhere
                fine = (magnitude >> FINE_SHIFT) - FINE_BASE
                fine = 0 if fine < PARTS else min(fine, FINE_SIGN - 1)
                counts[slots[index], place, fine + (FINE_SIGN if value < 0 else 0)] += 1
