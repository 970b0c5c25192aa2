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
    table = capture.table("histograms", ["modality", "channel", "bins", "counts"], filters)
    if not table.num_rows:
        raise StoreError(f"run {capture.run_id!r} keeps no histogram of {group!r} for this selection: choose another layer.")
    grids = channel_grids(in_own_channels(run), layer).set_index("channel")
    frame = occupied_codes(table, grids)
    # nunique skips the null code of bypassed values, so that a channel that bypasses whole uses 0 codes.
    counted = frame.groupby(["modality", "channel"], sort=True)["code"].nunique().rename("used").reset_index()
    width = (grids["code_high"] - grids["code_low"] + 1).rename("available")
    counted = counted.merge(width, left_on="channel", right_index=True).sort_values("channel")
    counted.insert(0, "layer", group)
    return ordered(counted, selection)


def occupied_codes(table: pa.Table, grids: pd.DataFrame) -> pd.DataFrame:
    """The code of each occupied bin.

    Args:
        table: modality, channel, bins and counts of the histograms of one input.
        grids: its static grids, by channel.

    Returns:
        One row for each (modality, channel, bin): modality, channel, code (null where the values bypass), values.
    """
    import torch

    from morphoquant.quant.grid import UniformGrid

    lists = table["bins"].combine_chunks()
    lengths = lists.value_lengths().to_numpy()
    channel = np.repeat(table["channel"].to_numpy(), lengths)
    modality = np.repeat(table["modality"].cast(pa.string()).to_numpy(), lengths)
    centre = bin_edges().mean(axis=1)[lists.flatten().to_numpy()]
    own = grids.loc[channel]
    kept = ~(own["masked"].to_numpy() & (np.abs(centre) > own["bypass_limit"].fillna(np.inf).to_numpy()))
    levels = UniformGrid(
        torch.tensor(own["step"].to_numpy()),
        torch.tensor(own["zero_point"].to_numpy()),
        int(grids["code_low"].iloc[0]),
        int(grids["code_high"].iloc[0]),
    )
    codes = levels.codes(torch.tensor(centre)).numpy()
    values = table["counts"].combine_chunks().flatten().to_numpy().astype(np.int64)
    return pd.DataFrame(dict(modality=modality, channel=channel, code=np.where(kept, codes, np.nan), values=values))
