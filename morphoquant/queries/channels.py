"""Per-channel statistics of shared inputs, pooled over the selected position classes."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from morphoquant.core.selection import Selection
from morphoquant.queries.modalities import where
from morphoquant.stats.moments import Moments, pool_by
from morphoquant.store.run import Run

_KEYS = ["group", "modality", "channel"]
_RANGE = ["min", "max", "sum_abs"]
_MOMENTS = ["mean", "m2", "m3", "m4"]


def channel_frame(
    run: Run, selection: Selection, names: Sequence[str], moments: bool = False, coded: bool = False
) -> pd.DataFrame:
    """Channels of the inputs `names`, by modality.

    Args:
        run: a capture run.
        selection: its modalities and positions are used.
        names: groups wanted.
        moments: adds mean, m2, m3 and m4, pooled exactly.
        coded: gives group and modality as categories; a name for each of millions of rows would take longer than all the rest.

    Returns:
        One row for each (group, modality, channel) that saw a finite value: count (of finite values), min, max, sum_abs,
        absmax and mean_abs. Sorted by these keys.
    """
    columns = [*_KEYS, "position", "count", "nan_count", "inf_count", *_RANGE, *(_MOMENTS if moments else ())]
    table = run.table("channel_stats", columns, {**where(selection), "group": list(names)})
    frame = table.unify_dictionaries().to_pandas()
    frame["count"] = frame["count"] - frame["nan_count"] - frame["inf_count"]
    if not (frame["count"] > 0).all():
        frame = frame[frame["count"] > 0]
    pooled, index = _keyed(frame, coded)
    size = len(pooled)
    if size == len(frame):
        return _as_they_are(frame, pooled, index, moments)
    pooled["count"] = _total(frame["count"], index, size).astype(np.int64)
    low, high = np.full(size, np.inf), np.full(size, -np.inf)
    np.minimum.at(low, index, frame["min"].to_numpy(float))
    np.maximum.at(high, index, frame["max"].to_numpy(float))
    pooled["min"], pooled["max"] = low, high
    pooled["sum_abs"] = _total(frame["sum_abs"], index, size)
    pooled["absmax"] = np.maximum(np.abs(low), np.abs(high))
    pooled["mean_abs"] = pooled["sum_abs"] / pooled["count"]
    if moments:
        parts = Moments(*(frame[name].to_numpy() for name in ("count", *_MOMENTS)))
        joined = pool_by(index, size, parts)
        for name in _MOMENTS:
            pooled[name] = getattr(joined, name)
    return pooled


def _as_they_are(frame: pd.DataFrame, pooled: pd.DataFrame, index: np.ndarray, moments: bool) -> pd.DataFrame:
    """`pooled` with the rows' own values, where each key has one row and nothing is to be pooled."""
    place = np.empty(len(index), np.int64)
    place[index] = np.arange(len(index))
    pooled["count"] = frame["count"].to_numpy(np.int64)[place]
    for name in (*_RANGE, *(_MOMENTS if moments else ())):
        pooled[name] = frame[name].to_numpy(float)[place]
    pooled["absmax"] = np.maximum(np.abs(pooled["min"].to_numpy()), np.abs(pooled["max"].to_numpy()))
    pooled["mean_abs"] = pooled["sum_abs"] / pooled["count"]
    order = [*_KEYS, "count", *_RANGE, "absmax", "mean_abs", *(_MOMENTS if moments else ())]
    return pooled[order]


def _keyed(frame: pd.DataFrame, coded: bool) -> tuple[pd.DataFrame, np.ndarray]:
    """The distinct keys in the order of their names, and the number of each row's key."""
    names, ranks = {}, {}
    for key in ("group", "modality"):
        categories = frame[key].cat.categories.astype(str)
        order = np.argsort(categories)
        names[key] = np.asarray(categories)[order]
        ranks[key] = np.argsort(order)[frame[key].cat.codes.to_numpy()]
    channel = frame["channel"].to_numpy(np.int64)
    width = int(channel.max(initial=0)) + 1
    flat = (ranks["group"] * len(names["modality"]) + ranks["modality"]) * width + channel
    # Rows come in long runs that are sorted already, which a stable sort makes use of.
    order = np.argsort(flat, kind="stable")
    new = np.diff(flat[order], prepend=-1) != 0
    distinct, index = flat[order][new], np.empty(len(flat), np.int64)
    index[order] = np.cumsum(new) - 1
    pair, channels = np.divmod(distinct, width)
    group, modality = np.divmod(pair, max(len(names["modality"]), 1))
    keys = {
        key: pd.Categorical.from_codes(codes, names[key]) if coded else names[key][codes]
        for key, codes in (("group", group), ("modality", modality))
    }
    return pd.DataFrame(keys | {"channel": channels}), index


def _total(values: pd.Series, index: np.ndarray, size: int) -> np.ndarray:
    return np.bincount(index, weights=values.to_numpy(float), minlength=size)


def by_input(frame: pd.DataFrame):
    """Yields ((group, modality), rows) of a frame sorted by these keys, without copying."""
    if frame.empty:
        return
    group, modality = (pd.factorize(frame[name])[0] for name in ("group", "modality"))
    change = np.flatnonzero((np.diff(group) != 0) | (np.diff(modality) != 0)) + 1
    starts = [0, *change, len(frame)]
    for start, end in zip(starts, starts[1:], strict=False):
        rows = frame.iloc[start:end]
        yield (rows["group"].iat[0], rows["modality"].iat[0]), rows
