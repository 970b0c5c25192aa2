"""A bounded random sample of rows that merges exactly.

Each row has a priority, a hash of the seed and of the row's own key; the reservoir keeps the rows with the smallest ones.
Which rows those are depends on the seed and on the set of rows alone, not on batches, their order or how parts are
merged, and each row is kept with equal probability (bottom-k sampling).
"""

import numpy as np

_GAMMA = 0x9E3779B97F4A7C15
_LARGEST = np.uint64(2**64 - 1)
_NONE = np.empty(0, np.int64)


def splitmix64(seed: int, keys: np.ndarray) -> np.ndarray:
    """Hash of each key: the key's place in the sequence of a generator whose state is the hashed seed.

    The seed is hashed first because neighbouring seeds would otherwise give the same sequence, one place on.

    Source: G. L. Steele, D. Lea, C. H. Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014, figure 16.

    Args:
        seed: any integer, taken modulo 2^64.
        keys: uint64, any shape.
    """
    state = _mix(np.array([(seed + 1) * _GAMMA % 2**64], dtype=np.uint64))
    return _mix(np.asarray(keys, dtype=np.uint64) * np.uint64(_GAMMA) + state)


def _mix(z: np.ndarray) -> np.ndarray:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


class Reservoir:
    """Rows of one slot with the smallest priorities.

    Args:
        channels: width of a row.
        keep: rows kept at most.
    """

    def __init__(self, channels: int, keep: int):
        self._priorities = np.empty(keep, np.uint64)
        self._values = np.empty((keep, channels), np.float32)
        self._size = 0
        self._limit = np.uint64(0)  # the largest priority kept

    def choose(self, priorities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which of some new rows to keep, and where; the caller copies them into `values`.

        Args:
            priorities: uint64 [rows] of the new rows.

        Returns:
            int64 indices of the rows to keep, int64 places in `values` for them.
        """
        keep = len(self._priorities)
        if self._size == keep and not (keep and priorities.min(initial=_LARGEST) < self._limit):
            return _NONE, _NONE
        old = self._priorities[: self._size]
        both = np.concatenate([old, priorities])
        if len(both) > keep:
            chosen = np.sort(np.argpartition(both, keep - 1)[:keep]) if keep else np.empty(0, np.int64)
        else:
            chosen = np.arange(len(both))
        new = chosen[chosen >= self._size] - self._size
        stay = np.zeros(keep, dtype=bool)
        stay[chosen[chosen < self._size]] = True
        places = np.flatnonzero(~stay)[: len(new)]
        self._priorities[places] = priorities[new]
        self._size = len(chosen)
        self._limit = self._priorities[: self._size].max(initial=0)
        return new, places

    @property
    def values(self) -> np.ndarray:
        """float32 [keep, channels], the places that `choose` names."""
        return self._values

    def sample(self) -> tuple[np.ndarray, np.ndarray]:
        """Priorities [n], ascending, and rows [n, channels]."""
        order = np.argsort(self._priorities[: self._size], kind="stable")
        return self._priorities[order], self._values[order]
