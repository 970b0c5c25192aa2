"""Every layer input in one pass over the statistics: tokens, values that are not finite, its widest and its median channel."""

import numpy as np
import pandas as pd

from morphoquant.core.selection import Selection
from morphoquant.queries.layers import PLACE, groups
from morphoquant.store.run import Run

_COLUMNS = ["group", "modality", "position", "channel", "count", "nan_count", "inf_count", "min", "max"]


def layer_inputs(run: Run) -> pd.DataFrame:
    """All inputs of a capture, by modality and position class.

    Args:
        run: a capture run.

    Returns:
        A row for each (input, modality, position) that saw a token: layer, label, component, role, block, order, modality,
        position, width (channels with a finite value), tokens, not_finite (values), absmax (largest magnitude), channel (where
        it stands) and median_absmax (of the channels). The last three are null where no value is finite.
    """
    table = run.table("channel_stats", _COLUMNS).unify_dictionaries()
    frame = table.select(["channel", "count", "nan_count", "inf_count", "min", "max"]).to_pandas()
    names, code = {}, np.zeros(len(frame), np.int64)
    for key in ("group", "modality", "position"):
        column = table[key].combine_chunks()
        names[key] = np.asarray(column.dictionary.to_pylist(), dtype=object)
        code = code * max(len(names[key]), 1) + column.indices.to_numpy()
    order = np.argsort(code, kind="stable")
    starts = np.flatnonzero(np.diff(code[order], prepend=-1))
    distinct = code[order[starts]]
    absmax = np.maximum(-frame["min"].to_numpy(float), frame["max"].to_numpy(float))[order]
    channel = frame["channel"].to_numpy()[order]
    tokens = frame["count"].to_numpy()[order]
    bad = (frame["nan_count"] + frame["inf_count"]).to_numpy()[order]
    rows = []
    for key, start, end in zip(distinct, starts, [*starts[1:], len(order)], strict=True):
        rest, position = divmod(key, len(names["position"]))
        group, modality = divmod(rest, len(names["modality"]))
        rows.append(
            (names["group"][group], names["modality"][modality], names["position"][position])
            + (int(tokens[start:end].max()), int(bad[start:end].sum()))
            + _widest(absmax[start:end], channel[start:end])
        )
    columns = ["layer", "modality", "position", "tokens", "not_finite", "width", "absmax", "channel", "median_absmax"]
    found = pd.DataFrame(rows, columns=columns).astype({"channel": "Int64"})
    found = found[found["tokens"] > 0].merge(groups(run, Selection())[PLACE], on="layer")
    return found[[*PLACE, *columns[1:]]].sort_values("order", kind="stable").reset_index(drop=True)


def _widest(absmax: np.ndarray, channel: np.ndarray) -> tuple[int, float, int | None, float]:
    known = np.isfinite(absmax)
    if not known.any():
        return 0, np.nan, None, np.nan
    absmax, channel = absmax[known], channel[known]
    place = absmax.argmax()
    return len(absmax), float(absmax[place]), int(channel[place]), float(np.median(absmax))
