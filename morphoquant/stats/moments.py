"""Central moments that merge: counts, means and sums of powers of deviations of parts give those of the whole.

Source: P. Pebay, "Formulas for Robust, One-Pass Parallel Computation of Covariances and Arbitrary-Order Statistical
Moments", Sandia report SAND2008-6212, 2008, equations 1.1 to 1.4 generalised to any number of parts: each part's sums are
shifted to the common mean by the binomial theorem and added.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Moments:
    """Moments of many channels at once; all arrays have one shape. Parts with count 0 may hold anything finite or NaN.

    Attributes:
        count: finite values seen.
        mean: their arithmetic mean.
        m2: sum of squared deviations from the mean.
        m3: sum of cubed deviations.
        m4: sum of fourth powers of deviations.
    """

    count: np.ndarray
    mean: np.ndarray
    m2: np.ndarray
    m3: np.ndarray
    m4: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> "Moments":
        """Moments of the rows of `values` [rows, channels], for each channel."""
        values = np.asarray(values, dtype=np.float64)
        mean = values.mean(axis=0)
        deviation = values - mean
        count = np.full(mean.shape, len(values), dtype=np.int64)
        return cls(count, mean, *((deviation**power).sum(axis=0) for power in (2, 3, 4)))

    def kurtosis(self) -> np.ndarray:
        """Fourth standardised moment of the population, 3 for a normal distribution; NaN for a constant channel."""
        # Joining parts of equal float32 values leaves a little rounding in their m2.
        varied = self.m2 > self.count * (_ROUNDING * self.mean) ** 2
        top, bottom = np.asarray(self.count * self.m4, float), np.asarray(self.m2, float) ** 2
        return np.divide(top, bottom, out=np.full(top.shape, np.nan), where=varied & (bottom > 0))


def pool(parts: Moments) -> Moments:
    """Joins parts stacked along the first axis: arrays [parts, ...] give moments [...]."""
    index = np.zeros(len(parts.count), dtype=np.int64)
    joined = pool_by(index, 1, parts)
    return Moments(joined.count[0], joined.mean[0], joined.m2[0], joined.m3[0], joined.m4[0])


def merge(one: Moments, other: Moments) -> Moments:
    """Joins two sets of parts channel by channel."""
    return pool(Moments(*(np.stack([getattr(one, name), getattr(other, name)]) for name in _NAMES)))


def pool_by(index: np.ndarray, size: int, parts: Moments) -> Moments:
    """Joins parts [parts, ...] that share an index into moments [size, ...]: the group-by of a table of moments.

    Args:
        index: int [parts], the group of each part, in 0..size-1.
        size: number of groups; a group without values has count 0 and NaN moments.
    """
    seen = parts.count > 0
    count = np.where(seen, parts.count, 0)
    part_mean, m2, m3, m4 = (np.where(seen, value, 0.0) for value in (parts.mean, parts.m2, parts.m3, parts.m4))

    def total(values: np.ndarray) -> np.ndarray:
        if values.ndim == 1:
            return np.bincount(index, weights=values, minlength=size)
        out = np.zeros((size, *values.shape[1:]))
        np.add.at(out, index, values)
        return out

    n = total(count.astype(np.float64))
    # The mean is taken about one part's mean, so that a large common offset does not cost digits.
    pivot = np.zeros(n.shape)
    pivot[index] = part_mean
    filled = np.divide(total(count * (part_mean - pivot[index])), n, out=np.zeros(n.shape), where=n > 0)
    mean = pivot + filled
    shift = part_mean - mean[index]
    joined = [
        total(m2 + count * shift**2),
        total(m3 + 3 * shift * m2 + count * shift**3),
        total(m4 + 4 * shift * m3 + 6 * shift**2 * m2 + count * shift**4),
    ]
    empty = n == 0
    return Moments(np.rint(n).astype(np.int64), *(np.where(empty, np.nan, value) for value in (mean, *joined)))


_NAMES = ("count", "mean", "m2", "m3", "m4")
# Two float32 values that differ do so by 2^-24 of their size or more; what float64 leaves of equal ones is far below this.
_ROUNDING = 2.0**-48
