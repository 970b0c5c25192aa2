"""The rows of one block put in order of their slots, worked out once for all linears that see the same rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from morphoquant.core.modality import SLOT_COUNT
from morphoquant.stats.reservoir import Choice, Kept, choose, splitmix64


@dataclass(frozen=True, eq=False)
class Draw:
    """The outcome of offering the rows of all slots to their samples.

    Attributes:
        kept: what is kept now, for each slot.
        rows: int64, numbers of the rows to copy.
        owners: int64, number of the slot that each belongs to.
        places: int64, where in its sample each goes.
    """

    kept: tuple[Kept, ...]
    rows: np.ndarray
    owners: np.ndarray
    places: np.ndarray


@dataclass(frozen=True, eq=False)
class Arrangement:
    """Row numbers grouped by slot.

    Attributes:
        slots: the slots that occur, ascending.
        order: int64, row numbers, those of one slot together; padding is left out.
        starts: int64 [len(slots) + 1], where in `order` each slot starts.
        priorities: of the rows in `order`, uint64; rows with the same key have the same one.
        drawn: for each slot the places in `order` of its smallest priorities, as many as may be kept.
        keep_rows: how many that is.
    """

    slots: tuple[int, ...]
    order: np.ndarray
    starts: np.ndarray
    priorities: np.ndarray
    drawn: tuple[np.ndarray, ...]
    keep_rows: int
    _choices: dict[tuple[int, int], tuple[Kept, Choice]] = field(default_factory=dict, repr=False)
    _draws: dict[tuple[int, ...], tuple[tuple[Kept, ...], Draw]] = field(default_factory=dict, repr=False)

    @property
    def counts(self) -> np.ndarray:
        """Rows of each of `slots`."""
        return np.diff(self.starts)

    def pieces(self, most: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """(order, starts) with at most `most` rows a slot in each; all slots stay present."""
        if self.counts.max() <= most:
            yield self.order, self.starts
            return
        for first in range(0, int(self.counts.max()), most):
            spans = [
                (min(a + first, b), min(a + first + most, b)) for a, b in zip(self.starts[:-1], self.starts[1:], strict=True)
            ]
            order = np.concatenate([self.order[a:b] for a, b in spans])
            yield order, np.concatenate([[0], np.cumsum([b - a for a, b in spans])]).astype(np.int64)

    def draw(self, kept: Sequence[Kept]) -> Draw:
        """Which rows to add to the samples of all slots, worked out once for each `kept`, one a slot."""
        key = tuple(map(id, kept))
        if key not in self._draws:
            chosen = [self._choose(index, one) for index, one in enumerate(kept)]
            counts = [len(choice.rows) for choice in chosen]
            rows, places = (np.concatenate([getattr(choice, name) for choice in chosen]) for name in ("rows", "places"))
            draw = Draw(tuple(choice.kept for choice in chosen), rows, np.repeat(np.arange(len(chosen)), counts), places)
            self._draws[key] = tuple(kept), draw  # held, so that no other gets its identity
        return self._draws[key][1]

    def _choose(self, index: int, kept: Kept) -> Choice:
        key = index, id(kept)
        if key not in self._choices:
            drawn = self.drawn[index]
            choice = choose(kept, self.priorities[drawn], self.keep_rows)
            self._choices[key] = kept, Choice(choice.kept, self.order[drawn[choice.rows]], choice.places)
        return self._choices[key][1]


def arrange(slots: np.ndarray, keys: np.ndarray, keep_rows: int, seed: int) -> Arrangement:
    """Groups rows by slot.

    Args:
        slots: int8 [rows], negative for padding.
        keys: uint64 [rows], one number for each token, the same in every layer.
        keep_rows: rows a reservoir keeps.
        seed: of the reservoir.
    """
    slots = np.asarray(slots)
    counts = np.bincount(slots[slots >= 0], minlength=SLOT_COUNT)
    present = np.flatnonzero(counts)
    order = np.argsort(slots, kind="stable")[len(slots) - counts.sum() :]
    starts = np.concatenate([[0], np.cumsum(counts[present])]).astype(np.int64)
    priorities = splitmix64(seed, np.asarray(keys, dtype=np.uint64)[order])
    drawn = []
    for start, end in zip(starts[:-1], starts[1:], strict=True):
        keep = min(keep_rows, end - start)
        pick = np.argpartition(priorities[start:end], keep - 1)[:keep] if 0 < keep < end - start else np.arange(keep)
        drawn.append(start + np.sort(pick))
    return Arrangement(tuple(int(s) for s in present), order.astype(np.int64), starts, priorities, tuple(drawn), keep_rows)
