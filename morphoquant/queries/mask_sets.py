"""Outlier channels by the exact set of modalities in which they are outliers: what an UpSet figure is made of.

Source: A. Lex et al., "UpSet: Visualization of Intersecting Sets", IEEE TVCG 20(12), 2014.
"""

import numpy as np
import pandas as pd

from morphoquant.core.errors import StoreError
from morphoquant.core.selection import Selection
from morphoquant.queries.lasting import lasting_channels
from morphoquant.queries.masks import masked_channels, outlier_masks
from morphoquant.queries.modalities import ordered
from morphoquant.store.run import Run


def mask_sets(run: Run, selection: Selection, lasting: bool = False) -> pd.DataFrame:
    """Sizes of the exclusive intersections of the modalities' outlier channels.

    Args:
        run: a capture run.
        selection: component, role, modalities and positions.
        lasting: whether to count the channels of `lasting_channels` that last, each once, rather than the outlier channels of
            every input that all the modalities reach.

    Returns:
        modalities (of the combination, with spaces between), count (outlier channels of exactly these), share_percent (of all
        counted), inputs (looked at), names (all modalities, with spaces between). The largest first; empty ones have no row.

    Raises:
        StoreError: fewer than two modalities, no input that all of them reach, or no outlier.
    """
    owners, names, inputs = _lasting(run, selection) if lasting else _of_inputs(run, selection)
    if not owners:
        raise StoreError("no channel is an outlier here in any modality: choose another part, role or measure.")
    found = pd.Series(owners).value_counts(sort=False).rename_axis("modalities").rename("count").reset_index()
    found["size"] = found["modalities"].str.count(" ")
    found = found.sort_values(["count", "size", "modalities"], ascending=[False, True, True], kind="stable").drop(columns="size")
    found["share_percent"] = 100.0 * found["count"] / found["count"].sum()
    return found.assign(inputs=inputs, names=" ".join(names)).reset_index(drop=True)


def _of_inputs(run: Run, selection: Selection) -> tuple[list[str], list[str], int]:
    masks = outlier_masks(run, selection)
    names = list(dict.fromkeys(ordered(masks, selection)["modality"]))
    _require_two(names)
    whole = masks.groupby("layer")["modality"].transform("nunique") == len(names)
    if not whole.any():
        raise StoreError(f"no layer input is reached by all of {', '.join(names)}: choose fewer modalities or another part.")
    masks = masks[whole]
    # A bit a modality: the sum over an input's channel is the set of its modalities.
    place = {layer: index for index, layer in enumerate(masks["layer"].unique())}
    parts = [(place[row.layer], masked_channels(row.channels), 1 << names.index(row.modality)) for row in masks.itertuples()]
    sizes = [len(channels) for _, channels, _ in parts]
    layers, bits = (np.repeat([part[field] for part in parts], sizes) for field in (0, 2))
    channels = np.concatenate([part[1] for part in parts])
    _, index = np.unique(layers * (channels.max(initial=0) + 1) + channels, return_inverse=True)
    sets = np.bincount(index, bits).astype(int)
    said = {bit: " ".join(name for place, name in enumerate(names) if bit >> place & 1) for bit in np.unique(sets).tolist()}
    return [said[bit] for bit in sets.tolist()], names, len(place)


def _lasting(run: Run, selection: Selection) -> tuple[list[str], list[str], int]:
    found = lasting_channels(run, selection)
    names = list(dict.fromkeys(ordered(found, selection)["modality"]))
    _require_two(names)
    owners = found[found["owners"] != ""].drop_duplicates("channel")["owners"].tolist()
    return owners, names, int(found["inputs"].max())


def _require_two(names: list[str]) -> None:
    if len(names) < 2:
        raise StoreError("the overlap needs two modalities: include more modalities or another component.")
