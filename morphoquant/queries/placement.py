"""The quantisation levels of one channel over the distribution of its values."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from morphoquant.core.errors import StoreError
from morphoquant.core.selection import Selection
from morphoquant.queries.alpha import channel_grids
from morphoquant.queries.codes import codes_taken
from morphoquant.queries.histograms import Counts, channel_bins, counted, density_of
from morphoquant.queries.own_channels import in_own_channels
from morphoquant.queries.use import channel_use
from morphoquant.store.run import Run

_BEYOND = 3.0  # the axis reaches this many times past the widest edge, not to a massive outlier


def grid_placement(run: Run, capture: Run, selection: Selection, layer: str) -> pd.DataFrame:
    """Everything about one channel's grid, in parts.

    Args:
        run: a quantize run with static grids.
        capture: the capture run it was fitted to.
        selection: its modalities and positions, and its channel; without a channel, the masked channel with the highest
            dispersion score, or else the channel with the widest grid.
        layer: any linear; its input is shown.

    Returns:
        Rows of four parts, with columns part, layer, channel, modality, name, low, high, value:
        "density" (modality, low and high edge, value = share of the modality's values per unit of activation);
        "level" (name = code, value = level); "edge" (name = base low, base high, low, high, or bypass limit; value);
        "use" (modality, name = codes used, codes available, clipped %, bypassed %, or beyond view %; value).

    Raises:
        StoreError: the channel does not exist, the capture keeps no histogram of the layer, or the grids may be of others.
    """
    grids = channel_grids(in_own_channels(run), layer)
    channel = shown_channel(grids, layer, selection.channel)
    table = channel_bins(capture, selection, layer, channel)
    counts, used = counted(table), codes_taken(table, grids, selection)
    return placement_of(grids, channel, counts, selection, lambda density: _uses(run, selection, layer, channel, used, density))


def placement_of(
    grids: pd.DataFrame,
    channel: int,
    counts: Counts,
    selection: Selection,
    uses_at: Callable[[pd.DataFrame], pd.DataFrame],
) -> pd.DataFrame:
    """The frame of `grid_placement`, of grids from anywhere.

    Args:
        grids: a row for each channel in order, with the columns of the table `grids`.
        channel: the one shown.
        counts: values of the channel in each bin, by modality.
        selection: for the order of modalities.
        uses_at: density -> rows of the part "use".
    """
    grid = grids.iloc[channel]
    edges = {name.replace("_", " "): float(grid[name]) for name in ("base_low", "base_high", "low", "high")}
    if pd.notna(grid["bypass_limit"]) and grid["masked"]:
        edges["bypass limit"] = float(grid["bypass_limit"])
    levels = (np.arange(grid["code_low"], grid["code_high"] + 1) - grid["zero_point"]) * grid["step"]
    reach = _BEYOND * max(*(abs(edge) for edge in edges.values()), *np.abs(levels[[0, -1]]))
    density = density_of(counts, selection, _span(density_of(counts, selection), reach))
    rows = density.rename(columns={"density": "value"}).assign(part="density")
    parts = [
        rows,
        pd.DataFrame(dict(part="level", name=[str(c) for c in range(grid["code_low"], grid["code_high"] + 1)], value=levels)),
        pd.DataFrame(dict(part="edge", name=list(edges), value=list(edges.values()))),
        uses_at(density),
    ]
    frame = pd.concat(parts, ignore_index=True).assign(layer=grid["group"], channel=channel)
    return frame[["part", "layer", "channel", "modality", "name", "low", "high", "value"]]


def shown_channel(grids: pd.DataFrame, layer: str, channel: int | None) -> int:
    """`channel`, or, if none is chosen, the one that stands out.

    Raises:
        StoreError: the layer has no such channel.
    """
    channel = int(channel) if channel is not None else widest_channel(grids)
    if not 0 <= channel < len(grids):
        raise StoreError(f"{layer} has no channel {channel}: allowed are 0 to {len(grids) - 1}.")
    return channel


def widest_channel(grids: pd.DataFrame) -> int:
    """The masked channel with the highest dispersion score, or else the channel with the widest grid."""
    masked = grids[grids["masked"] & grids["score"].notna()]
    if len(masked):
        return int(masked.loc[masked["score"].idxmax(), "channel"])
    return int(grids.loc[(grids["high"] - grids["low"]).idxmax(), "channel"])


def _span(whole: pd.DataFrame, reach: float) -> tuple[float, float]:
    filled = whole[whole["values"] > 0]
    return max(float(filled["low"].min()), -reach), min(float(filled["high"].max()), reach)


def _uses(run, selection, layer, channel, used, density) -> pd.DataFrame:
    rows = []
    for row in used.itertuples():
        rows += [(row.modality, "codes used", row.used), (row.modality, "codes available", row.available)]
    for row in channel_use(run, selection, layer, channel).itertuples() if run.has("grid_use") else ():
        rows += [(row.modality, "clipped %", row.clipped_percent), (row.modality, "bypassed %", row.bypassed_percent)]
    return use_rows(rows, density)


def use_rows(rows: list[tuple], density: pd.DataFrame) -> pd.DataFrame:
    """Rows of the part "use" from (modality, name, value), with the share of values that `density` does not show."""
    for modality, part in density.groupby("modality", sort=False):
        seen = float(part["density"] @ (part["high"] - part["low"]))
        rows.append((modality, "beyond view %", max(0.0, 100.0 * (1.0 - seen))))
    return pd.DataFrame(rows, columns=["modality", "name", "value"]).assign(part="use")
