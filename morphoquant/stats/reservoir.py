"""A bounded random sample of rows that merges exactly.

Each row has a priority, a hash of the seed and of the row's own key; the reservoir keeps the rows with the smallest ones.
Which rows those are depends on the seed and on the set of rows alone, not on batches, their order or how parts are
merged, and each row is kept with equal probability (bottom-k sampling).
"""

from dataclasses import dataclass

import numpy as np

_GAMMA = 0x9E3779B97F4A7C15
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


@dataclass(frozen=True, eq=False)
class Kept:
    """Which rows of a slot are kept, by priority and place.

    A value, not a box: inputs that have seen the same rows hold the very same Kept, so that the choice is made once for all.

    Attributes:
        priorities: uint64 [n]; row i of the sample has priority i.
        limit: the largest of them.
    """

    priorities: np.ndarray
    limit: np.uint64


NOTHING = Kept(np.empty(0, np.uint64), np.uint64(0))


@dataclass(frozen=True, eq=False)
class Choice:
    """The outcome of offering rows to a sample.

    Attributes:
        kept: what is kept now.
        rows: int64, indices of the offered rows to copy.
        places: int64, where in the sample each goes.
    """

    kept: Kept
    rows: np.ndarray
    places: np.ndarray


def choose(kept: Kept, priorities: np.ndarray, keep: int) -> Choice:
    """Offers rows with the given priorities [rows] to a sample of at most `keep` rows."""
    size = len(kept.priorities)
    if len(priorities) == 0 or (size == keep and not (keep and priorities.min() < kept.limit)):
        return Choice(kept, _NONE, _NONE)
    both = np.concatenate([kept.priorities, priorities])
    chosen = np.sort(np.argpartition(both, keep - 1)[:keep]) if len(both) > keep else np.arange(len(both))
    rows = chosen[chosen >= size] - size
    free = np.ones(keep, dtype=bool)
    free[chosen[chosen < size]] = False
    places = np.flatnonzero(free)[: len(rows)]
    left = np.empty(len(chosen), np.uint64)
    left[: min(size, len(left))] = kept.priorities[: len(left)]
    left[places] = priorities[rows]
    return Choice(Kept(left, left.max()), rows, places)
