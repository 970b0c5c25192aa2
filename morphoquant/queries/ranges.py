"""The range of every channel of one layer input."""

import pandas as pd

from morphoquant.core.selection import Selection
from morphoquant.queries.channels import channel_frame
from morphoquant.queries.layers import group_row
from morphoquant.queries.modalities import ordered
from morphoquant.store.run import Run

LARGEST_POINTS = 1500


def channel_ranges(run: Run, selection: Selection, layer: str, points: int = LARGEST_POINTS) -> pd.DataFrame:
    """Smallest and largest value of each channel, by modality.

    Inputs with more channels than `points` are down-sampled: neighbouring channels join into one point with the smallest
    minimum and the largest maximum of them, so that no outlier is lost.

    Returns:
        layer, modality, channel (of the largest magnitude in the point), first_channel, channels (joined in the point),
        min, max, absmax, tokens. Sorted by modality and channel.
    """
    group = group_row(run, layer)
    frame = channel_frame(run, selection, [group["group"]])
    width = -(-int(group["in_features"]) // points)
    frame["first_channel"] = frame["channel"] // width * width
    keys = ["modality", "first_channel"]
    joined = frame.groupby(keys, sort=True).agg(
        channels=("channel", "size"), min=("min", "min"), max=("max", "max"), absmax=("absmax", "max"), tokens=("count", "max")
    )
    peaks = frame.loc[frame.groupby(keys, sort=True)["absmax"].idxmax(), "channel"].to_numpy() if len(frame) else []
    joined = joined.reset_index().assign(channel=peaks, layer=group["group"])
    columns = ["layer", "modality", "channel", "first_channel", "channels", "min", "max", "absmax", "tokens"]
    return ordered(joined[columns].sort_values("first_channel", kind="stable"), selection)


def coarser(frame: pd.DataFrame, points: int) -> pd.DataFrame:
    """The frame of `channel_ranges` with neighbouring points joined further, until a modality has at most `points`."""
    width = -(-frame.groupby("modality")["first_channel"].nunique().max() // points)
    if width <= 1:
        return frame
    step = int(frame["channels"].max()) * width
    place = frame["first_channel"] // step * step
    order = dict.fromkeys(frame["modality"])
    keys = [frame["modality"], place]
    widest = frame.loc[frame.groupby(keys, sort=True)["absmax"].idxmax()].set_index(["modality", "first_channel"])["channel"]
    joined = frame.groupby(keys, sort=True).agg(
        layer=("layer", "first"),
        channels=("channels", "sum"),
        min=("min", "min"),
        max=("max", "max"),
        absmax=("absmax", "max"),
        tokens=("tokens", "max"),
    )
    joined = joined.reset_index().assign(channel=widest.to_numpy())
    rank = joined["modality"].map({name: place for place, name in enumerate(order)})
    return joined.loc[rank.sort_values(kind="stable").index, list(frame.columns)].reset_index(drop=True)
