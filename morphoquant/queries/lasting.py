"""Channels that stay outliers through the depth of the model, and the modalities that own them."""

import pandas as pd

from morphoquant.core.errors import StoreError
from morphoquant.core.selection import Selection
from morphoquant.queries.masks import masked_channels, masks_of
from morphoquant.queries.modalities import ordered
from morphoquant.queries.stream import through_depth
from morphoquant.store.run import Run

# An outlier feature is one that shows in a quarter of the layers: LLM.int8() (arXiv 2208.07339), section 4.
LASTING_PERCENT = 25.0


def lasting_channels(run: Run, selection: Selection) -> pd.DataFrame:
    """How often each channel is an outlier among the inputs of `through_depth`, by the one rule of `stats.dispersion`.

    Returns:
        A row for each modality and each channel that is an outlier somewhere in any modality: channel, modality, inputs (that
        the modality reaches), outlier (in how many of them), share_percent, lasting (whether that is at least
        `LASTING_PERCENT`), owners (the modalities in which the channel lasts, with spaces between; empty for none).
        Sorted by channel.

    Raises:
        StoreError: nothing matches, or no channel is an outlier anywhere.
    """
    masks = masks_of(run, selection, through_depth(run, selection))
    reached = masks.groupby("modality", sort=False)["layer"].nunique().rename("inputs")
    rows = [(row.modality, channel) for row in masks.itertuples() for channel in masked_channels(row.channels)]
    if not rows:
        raise StoreError("no channel is an outlier in any of these inputs: choose another part, role or modality.")
    counted = pd.DataFrame(rows, columns=["modality", "channel"]).value_counts().rename("outlier")
    every = pd.MultiIndex.from_product([reached.index, sorted({channel for _, channel in rows})], names=["modality", "channel"])
    found = counted.reindex(every, fill_value=0).reset_index().merge(reached.reset_index(), on="modality")
    found["share_percent"] = 100.0 * found["outlier"] / found["inputs"]
    found["lasting"] = found["share_percent"] >= LASTING_PERCENT
    found = ordered(found, selection, "channel")
    owners = found[found["lasting"]].groupby("channel")["modality"].agg(" ".join)
    found["owners"] = [owners.get(channel, "") for channel in found["channel"]]
    return found[["channel", "modality", "inputs", "outlier", "share_percent", "lasting", "owners"]]
