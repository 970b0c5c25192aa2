"""A few numbers of the channels of many layer inputs at once, from their statistics."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from morphoquant.stats.dispersion import dispersion_score, mask_limit, outlier_mask
from morphoquant.stats.moments import Moments, pool_by

COUNTS = ("count", "nan_count", "inf_count")
POWERS = ("mean", "m2", "m3", "m4")
RANGE = ("min", "max", "sum_abs")


@dataclass(frozen=True, eq=False)
class Slots:
    """Channels behind each other, those of one slot (input, modality and position class) together.

    Attributes:
        starts: first row of each slot, none of which is empty [S].
        columns: channel and the columns of `COUNTS`, `RANGE` and, where kurtosis is wanted, `POWERS` of the table channel_stats
            [R]; values of a channel without a finite value may be anything.
    """

    starts: np.ndarray
    columns: Mapping[str, np.ndarray]

    @property
    def sizes(self) -> np.ndarray:
        """Rows of each slot [S]."""
        return np.diff(self.starts, append=len(self.columns["channel"]))

    @property
    def finite(self) -> np.ndarray:
        """Finite values of each row [R]."""
        return self.columns["count"] - self.columns["nan_count"] - self.columns["inf_count"]


def measures(slots: Slots) -> list[dict]:
    """The columns of the table input_measures that are no keys, for each slot; what is not defined is absent."""
    columns, starts = slots.columns, slots.starts
    finite, bad = slots.finite, columns["nan_count"] + columns["inf_count"]
    width = np.add.reduceat((finite > 0).astype(np.int64), starts)
    counts = np.maximum.reduceat(columns["count"], starts), np.maximum.reduceat(finite, starts), np.add.reduceat(bad, starts)
    names = ("tokens", "finite", "not_finite", "width")
    found = [
        dict(zip(names, row, strict=True)) | dict(constant=0, masked=np.empty(0, np.int32))
        for row in zip(*(one.tolist() for one in (*counts, width)), strict=True)
    ]
    filled = np.flatnonzero(width)
    for slot, row in zip(filled, _of_finite(_kept(slots, finite > 0, width)), strict=True):
        found[slot] |= row
    return found


def both(slots: Slots, pairs: np.ndarray) -> Slots:
    """Slots pooled in pairs, channel by channel.

    Args:
        slots: all of them.
        pairs: the first slot of each pair; the next one is the second.
    """
    sizes = slots.sizes
    rows = np.concatenate([np.arange(slots.starts[one], slots.starts[one] + sizes[one : one + 2].sum()) for one in pairs])
    owner = np.repeat(np.arange(len(pairs)), [sizes[one : one + 2].sum() for one in pairs])
    columns = {name: values[rows] for name, values in slots.columns.items()}
    span = int(columns["channel"].max()) + 1
    key, index = np.unique(owner * span + columns["channel"], return_inverse=True)
    size = len(key)
    finite = columns["count"] - columns["nan_count"] - columns["inf_count"]
    joined = pool_by(index, size, Moments(finite, *(columns[name] for name in POWERS)))
    low, high = np.full(size, np.inf), np.full(size, -np.inf)
    np.fmin.at(low, index, columns["min"].astype(float))
    np.fmax.at(high, index, columns["max"].astype(float))
    found = {name: np.bincount(index, columns[name], size).astype(np.int64) for name in COUNTS}
    found |= {name: getattr(joined, name) for name in POWERS} | dict(min=low, max=high, channel=(key % span).astype(np.int32))
    found["sum_abs"] = np.bincount(index, np.where(finite > 0, columns["sum_abs"], 0.0), size)
    return Slots(np.flatnonzero(np.diff(key // span, prepend=-1)), found)


def _kept(slots: Slots, keep: np.ndarray, width: np.ndarray) -> Slots:
    """The rows to keep, `width` of each slot; slots of which nothing is left are left out."""
    if keep.all():
        return slots
    width = width[width > 0]
    return Slots(np.cumsum(width) - width, {name: values[keep] for name, values in slots.columns.items()})


def _of_finite(slots: Slots) -> list[dict]:
    """Measures of channels all of which hold a finite value."""
    columns, starts = slots.columns, slots.starts
    if not len(starts):
        return []
    finite, channel = slots.finite, columns["channel"]
    low, high = columns["min"].astype(float), columns["max"].astype(float)
    absmax = np.maximum(np.abs(low), np.abs(high))
    score = dispersion_score(low, high, columns["sum_abs"] / finite)
    whole = np.full(len(starts), np.nan)
    if POWERS[0] in columns:
        owner = np.repeat(np.arange(len(starts)), slots.sizes)
        whole = pool_by(owner, len(starts), Moments(finite, *(columns[name] for name in POWERS))).kurtosis()
    constant = np.add.reduceat(((low == high) & (finite > 1)).astype(np.int64), starts)
    top = [np.maximum.reduceat(values, starts) for values in (absmax, score)]
    mean = np.add.reduceat(score, starts) / slots.sizes
    found = []
    for slot, (start, size) in enumerate(zip(starts, slots.sizes, strict=True)):
        own = slice(start, start + size)
        limit = mask_limit(score[own])
        found.append(
            {
                "constant": int(constant[slot]),
                "absmax": float(top[0][slot]),
                "channel": int(channel[start + absmax[own].argmax()]),
                "median_absmax": _median(absmax[own]),
                "kurtosis": _known(whole[slot]),
                "dispersion_max": _known(top[1][slot]),
                "dispersion_mean": _known(mean[slot]),
                "mask_limit": _known(limit),
                "masked": channel[own][outlier_mask(score[own])],
            }
        )
    return found


def _median(values: np.ndarray) -> float:
    """As numpy's, without looking for NaN, which takes longer than finding it."""
    middle = len(values) // 2
    if len(values) % 2:
        return float(np.partition(values, middle)[middle])
    parted = np.partition(values, [middle - 1, middle])
    return float((parted[middle - 1] + parted[middle]) / 2)


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
