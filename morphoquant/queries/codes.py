"""How many of its codes a grid really uses, from the stored histograms."""

import numpy as np
import pandas as pd
import pyarrow as pa

from morphoquant.core.errors import StoreError
from morphoquant.core.selection import Selection
from morphoquant.queries.alpha import channel_grids
from morphoquant.queries.layers import group_row
from morphoquant.queries.modalities import ordered, where
from morphoquant.queries.own_channels import in_own_channels
from morphoquant.queries.summed_bins import coded
from morphoquant.stats.bins import bin_edges
from morphoquant.store.run import Run


def codes_used(run: Run, capture: Run, selection: Selection, layer: str) -> pd.DataFrame:
    """Codes that a channel's values take on its grid, by modality. A bin stands for the code of its centre.

    Values of masked channels beyond the bypass limit take no code.

    Args:
        run: a quantize run with static grids.
        capture: the capture run it was fitted to.
        selection: its modalities and positions; its channel, if any.
        layer: any linear; its input is shown.

    Returns:
        layer, modality, channel, used, available. Sorted by modality, then channel.

    Raises:
        StoreError: the capture keeps no such histogram, or the grids may be of other channels than the input's.
    """
    group = group_row(run, layer)["group"]
    filters = {**where(selection), "group": group}
    if selection.channel is not None:
        filters["channel"] = int(selection.channel)
    if not capture.has("histograms"):
        raise StoreError(f"run {capture.run_id!r} keeps no histograms: capture the model anew to count the codes in use.")
    table = capture.table("histograms", ["modality", "channel", "bins"], filters)
    if not table.num_rows:
        raise StoreError(f"run {capture.run_id!r} keeps no histogram of {group!r} for this selection: choose another layer.")
    return codes_taken(table, channel_grids(in_own_channels(run), layer), selection)


def codes_taken(table: pa.Table, grids: pd.DataFrame, selection: Selection) -> pd.DataFrame:
    """The frame of `codes_used`.

    Args:
        table: modality, channel and bins of some histograms of one input.
        grids: its static grids, a row for each channel in order.
        selection: for the order of modalities.
    """
    from morphoquant.quant import code_loops

    modality, names = coded(table, ["modality"])
    channel, channels = table["channel"].to_numpy().astype(np.int64), len(grids)
    pair = modality * channels + channel
    order = np.argsort(pair, kind="stable")
    starts = np.flatnonzero(np.diff(pair[order], prepend=-1))
    lists = table["bins"].combine_chunks()
    offsets = np.concatenate([[0], np.cumsum(lists.value_lengths().to_numpy())]).astype(np.int64)
    rows = offsets, lists.flatten().to_numpy(), bin_edges().mean(axis=1), order, np.append(starts, len(order)), channel
    step, zero = (grids[name].to_numpy(np.float64) for name in ("step", "zero_point"))
    low, high = _codes(grids)
    pair = pair[order[starts]]
    counted = dict(
        layer=grids["group"].iat[0],
        modality=pd.Series([name for (name,) in names], dtype=str).array.take(pair // channels),
        channel=pair % channels,
        # A channel that bypasses whole uses 0 codes.
        used=code_loops.codes_taken(*rows, step, zero, _limits(grids), low, high),
        available=high - low + 1,
    )
    return ordered(pd.DataFrame(counted), selection)


def _limits(grids: pd.DataFrame) -> np.ndarray:
    """Magnitude above which values of each channel take no code."""
    return np.where(grids["masked"].to_numpy(bool), grids["bypass_limit"].fillna(np.inf).to_numpy(np.float64), np.inf)


def occupied_codes(table: pa.Table, grids: pd.DataFrame) -> pd.DataFrame:
    """The code of each occupied bin.

    Args:
        table: modality, channel, bins and counts of the histograms of one input.
        grids: its static grids, by channel.

    Returns:
        One row for each (modality, channel, bin): modality, channel, code (null where the values bypass), values.
    """
    row, code = bin_codes(table, grids)
    modality, channel = table["modality"].cast(pa.string()).to_numpy()[row], table["channel"].to_numpy()[row]
    values = table["counts"].combine_chunks().flatten().to_numpy().astype(np.int64)
    return pd.DataFrame(dict(modality=modality, channel=channel, code=code, values=values))


def bin_codes(table: pa.Table, grids: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """The code of each of E occupied bins; arguments as `occupied_codes`.

    Returns:
        Row of `table` that the bin belongs to, int64 [E]; code of the bin's centre, float64 [E], NaN where the values bypass.
    """
    import torch

    from morphoquant.quant.grid import UniformGrid

    lists = table["bins"].combine_chunks()
    row = np.repeat(np.arange(table.num_rows), lists.value_lengths().to_numpy())
    centre = bin_edges().mean(axis=1)[lists.flatten().to_numpy()]
    place = grids.index.get_indexer(table["channel"].to_numpy())[row]
    step, zero_point = (torch.from_numpy(grids[name].to_numpy(np.float64)[place]) for name in ("step", "zero_point"))
    codes = UniformGrid(step, zero_point, *_codes(grids)).codes(torch.from_numpy(centre)).numpy()
    return row, np.where(np.abs(centre) > _limits(grids)[place], np.nan, codes)


def _codes(grids: pd.DataFrame) -> tuple[int, int]:
    """Smallest and largest code; the channels of one input share them."""
    return int(grids["code_low"].iat[0]), int(grids["code_high"].iat[0])
