"""Values of the evaluation that lie beyond everything that the calibration data held."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from morphoquant.core.modality import CONTENT, POSITIONS
from morphoquant.core.selection import Selection
from morphoquant.queries.channels import channel_frame
from morphoquant.queries.decibels import summed
from morphoquant.queries.own_channels import changing
from morphoquant.store.run import Run

_USE = ["group", "modality", "channel", "count", "clipped", "clip_sq", "round_sq"]
_GRID = ["group", "channel", "low", "high", "step"]


def beyond_seen(run: Run, capture: Run, names: Sequence[str]) -> pd.DataFrame:
    """How much of an input's error is made by values that no range over the calibration data could have held.

    Args:
        run: a quantize run; without fixed grids of the input's own channels, or grid use, there is nothing to tell.
        capture: the capture that it was fitted to.
        names: inputs wanted, by the first linear of their group.

    Returns:
        A row for each (layer, modality) whose grid use is kept; see `beyond`. First tokens are left out of the use, not of what
        was seen.
    """
    if not (names and run.has("grid_use") and run.has("grids")) or changing(run.plan):
        return beyond(pd.DataFrame(columns=_USE), pd.DataFrame(columns=_GRID), pd.DataFrame(columns=["group", "channel"]))
    where = {"group": list(names), "modality": list(map(str, CONTENT)), "position": ["rest"]}
    use = summed(run.frame("grid_use", _USE, where), _USE[:3], _USE[3:])
    seen = channel_frame(capture, Selection(positions=POSITIONS), names)
    seen = seen.groupby(["group", "channel"], sort=False).agg(seen_min=("min", "min"), seen_max=("max", "max")).reset_index()
    return beyond(use, run.frame("grids", _GRID, {"group": list(names)}), seen)


def beyond(use: pd.DataFrame, grids: pd.DataFrame, seen: pd.DataFrame) -> pd.DataFrame:
    """Clipped values of those channels whose grid holds all that was seen: a value counts as clipped from half a step beyond it.

    Args:
        use: group, modality, channel, count, clipped, clip_sq, round_sq.
        grids: group, channel, low, high, step.
        seen: group, channel, seen_min, seen_max of the calibration data, all modalities and positions.

    Returns:
        layer, modality, values (of the input), beyond (of them), channels (in which they stand), channel (with most of their
        error), beyond_sq (their squared error) and error_sq (of the input).
    """
    columns = ["layer", "modality", "values", "beyond", "channels", "channel", "beyond_sq", "error_sq"]
    if use.empty:
        return pd.DataFrame(columns=columns)
    frame = use.merge(grids, on=["group", "channel"]).merge(seen, on=["group", "channel"])
    half = frame["step"] / 2
    holds = (frame["low"] - half <= frame["seen_min"]) & (frame["seen_max"] <= frame["high"] + half)
    frame["beyond"] = frame["clipped"].where(holds, 0)
    frame["beyond_sq"] = frame["clip_sq"].where(holds, 0.0)
    frame["error_sq"] = frame["clip_sq"] + frame["round_sq"]
    rows = [
        (layer, modality, int(part["count"].sum()), int(part["beyond"].sum()), int((part["beyond"] > 0).sum()))
        + (int(part["channel"].iat[int(np.argmax(part["beyond_sq"]))]), part["beyond_sq"].sum(), part["error_sq"].sum())
        for (layer, modality), part in frame.groupby(["group", "modality"], sort=False)
    ]
    return pd.DataFrame(rows, columns=columns)
