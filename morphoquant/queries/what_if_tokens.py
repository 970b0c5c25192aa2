"""What one scale a token would do to a layer input, from the tokens that a capture keeps: histograms do not know tokens."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from morphoquant.core.errors import StoreError
from morphoquant.core.modality import MODALITIES
from morphoquant.core.selection import Selection
from morphoquant.core.what_if import WhatIf
from morphoquant.queries.layers import group_row
from morphoquant.queries.modalities import where
from morphoquant.store.run import Run


@dataclass(frozen=True, eq=False)
class KeptTokens:
    """Rows of one layer input that stand for all of its tokens.

    Attributes:
        layer: name of the input.
        x: rows without NaN or infinity [n, K], float32.
        modality: of each row [n].
        position: of each row [n].
        weight: tokens that each row stands for [n].
    """

    layer: str
    x: np.ndarray
    modality: np.ndarray
    position: np.ndarray
    weight: np.ndarray


def kept_tokens(capture: Run, layer: str) -> KeptTokens:
    """Reads the kept rows of a layer input.

    Raises:
        StoreError: the run keeps none.
        UnknownNameError: no such layer.
    """
    group = str(group_row(capture, layer)["group"])
    if not capture.has("token_sample"):
        raise StoreError(
            "one scale a token follows the largest value of that token, which histograms do not tell, and this capture keeps no "
            "tokens: choose one range a channel or a layer, or measure it by a run."
        )
    table = capture.table("token_sample", ["modality", "position", "values"], {"group": group})
    modality, position = (table[name].cast(pa.string()).to_numpy() for name in ("modality", "position"))
    x = table["values"].combine_chunks().flatten().to_numpy().reshape(len(modality), -1)
    finite = np.isfinite(x).all(1)
    x, modality, position = x[finite], modality[finite], position[finite]
    if not len(x):
        raise StoreError(f"run {capture.run_id!r} keeps no token of {group!r}: choose another layer.")
    stats = capture.frame("channel_stats", ["modality", "position", "count"], {"group": group, "channel": 0})
    seen = stats.set_index(["modality", "position"])["count"]
    pairs = pd.MultiIndex.from_arrays([modality, position])
    return KeptTokens(group, x, modality, position, (seen[pairs] / pairs.value_counts()[pairs]).to_numpy(float))


def token_sums(tokens: KeptTokens, settings: WhatIf, selection: Selection) -> pd.DataFrame:
    """Sums by modality with one symmetric scale a token, in the columns of `queries.what_if.layer_sums`.

    Each kept row counts as often as tokens that it stands for.

    Args:
        tokens: of one layer.
        settings: bits and clip ratio are used.
        selection: its modalities and positions.
    """
    import torch

    from morphoquant.quant.activation import TokenQuantizer

    wanted = where(selection)
    own = np.isin(tokens.position, wanted["position"]) & np.isin(tokens.modality, wanted.get("modality", [*map(str, MODALITIES)]))
    x = torch.from_numpy(tokens.x[own])
    quantizer = TokenQuantizer(settings.bits, settings.clip)
    clipped = quantizer.clipped(x)
    error = (quantizer.quantize(x) - x).double().square_()
    rows = dict(
        values=torch.full((len(x),), float(x.shape[1])),
        signal_sq=x.double().square().sum(1),
        error_sq=error.sum(1),
        clip_sq=(error * clipped).sum(1),
        clipped=clipped.double().sum(1),
        bypassed=torch.zeros(len(x)),
    )
    weight = tokens.weight[own]
    frame = pd.DataFrame({name: column.numpy() * weight for name, column in rows.items()})
    frame.insert(0, "modality", tokens.modality[own])
    frame = frame.groupby("modality", sort=False).sum().reset_index()
    frame.insert(0, "layer", tokens.layer)
    return frame
