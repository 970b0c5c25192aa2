"""Outlier channels by modality, from the dispersion rule that the methods use, and how far modalities agree on them."""

from itertools import combinations

import numpy as np
import pandas as pd

from morphoquant.core.errors import StoreError
from morphoquant.core.selection import Selection
from morphoquant.queries.input_measures import selected
from morphoquant.queries.layers import PLACE, groups
from morphoquant.queries.modalities import ordered
from morphoquant.store.run import Run


def outlier_masks(run: Run, selection: Selection) -> pd.DataFrame:
    """Outlier channels of each selected layer input: dispersion score at least mean + 2 standard deviations of the layer's.

    Returns:
        layer, label, component, role, block, order, modality, tokens, width (channels), masked (how many of them),
        limit (score from which on a channel is masked), channels (masked ones, as text with spaces between).
    """
    return masks_of(run, selection, groups(run, selection))


def masks_of(run: Run, selection: Selection, places: pd.DataFrame) -> pd.DataFrame:
    """`outlier_masks` of the inputs `places`, rows of `queries.layers.groups`."""
    found = selected(run, selection).merge(places[[*PLACE, "in_features"]], on="layer")
    channels = found["masked"].map(lambda masked: " ".join(map(str, masked)))
    found = found.assign(
        tokens=found["finite"],
        width=found["in_features"],
        masked=found["masked"].map(len),
        limit=found["mask_limit"].fillna(np.inf),
        channels=channels,
    )
    columns = [*PLACE, "modality", "tokens", "width", "masked", "limit", "channels"]
    return ordered(found[columns], selection, "order")


def masked_channels(text: str) -> np.ndarray:
    """The column `channels` of `outlier_masks` as numbers."""
    return np.array(text.split(), dtype=np.int64)


def mask_overlap(run: Run, selection: Selection) -> pd.DataFrame:
    """Jaccard index of the outlier channels of two modalities: |both| / |either|.

    Returns:
        One row for each layer and pair of modalities, and one with layer null for each pair pooled over all layers (sums of
        |both| over sums of |either|): layer, label, component, role, block, order, modality, other, both, either, jaccard.
        A pair without any outlier channel has no row.

    Raises:
        StoreError: fewer than two modalities are present.
    """
    masks = outlier_masks(run, selection)
    names = list(dict.fromkeys(ordered(masks, selection)["modality"]))
    rows = []
    sets: dict[str, dict[str, set[str]]] = {}
    for layer, modality, text in zip(
        masks["layer"].tolist(), masks["modality"].tolist(), masks["channels"].tolist(), strict=True
    ):
        sets.setdefault(layer, {})[modality] = set(text.split())
    for layer, own in sets.items():
        for one, other in combinations([name for name in names if name in own], 2):
            both = len(own[one] & own[other])
            rows.append((layer, one, other, both, len(own[one]) + len(own[other]) - both))
    if not rows:
        raise StoreError("the overlap needs two modalities in one layer: include more modalities or another component.")
    frame = pd.DataFrame(rows, columns=["layer", "modality", "other", "both", "either"])
    placed = frame.merge(masks[PLACE].drop_duplicates("layer"), on="layer")
    pooled = frame.groupby(["modality", "other"], sort=False)[["both", "either"]].sum().reset_index()
    frame = pd.concat([placed, pooled.astype({"modality": str})], ignore_index=True)
    frame = frame[frame["either"] > 0].assign(jaccard=lambda rows: rows["both"] / rows["either"])
    return frame[[*PLACE, "modality", "other", "both", "either", "jaccard"]].reset_index(drop=True)
