"""What any setting would do to layer inputs, from histograms alone: mask, grids, searched clip ratios, errors by modality."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from morphoquant.core.errors import SpecError
from morphoquant.core.modality import MODALITIES, POSITIONS
from morphoquant.core.selection import Selection
from morphoquant.core.what_if import WhatIf
from morphoquant.queries.modalities import where
from morphoquant.queries.what_if_inputs import WhatIfInputs
from morphoquant.queries.what_if_parts import Part
from morphoquant.stats.dispersion import dispersion_score, mask_limit, outlier_mask

# As MorphoQuant's published code has them (methods/morpho/settings.py, REFERENCE); a test holds them together.
RATIO_COUNT = 15
WHOLE_ROLES = ("down_proj",)
EDGE, ONE_SIGNED = "inner", "asymmetric"
SUMS = ("values", "signal_sq", "error_sq", "clip_sq", "clipped", "bypassed")


@dataclass(frozen=True, eq=False)
class Placed:
    """Where the grids stand, one entry a channel [K].

    Attributes:
        score: dispersion score D_c; NaN for a channel without values.
        limit_score: score from which on a channel is an outlier, one a layer [layers]; infinite where nothing is masked.
        masked: outlier channels whose large values bypass.
        base_low: lower edge before clipping.
        base_high: upper edge.
        ratio: clip ratio, fixed or searched.
        grids: `quant.binned_rows.StaticGrids`.
    """

    score: np.ndarray
    limit_score: np.ndarray
    masked: np.ndarray
    base_low: np.ndarray
    base_high: np.ndarray
    ratio: np.ndarray
    grids: object


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a setting does to some layer inputs.

    Attributes:
        inputs: of which layers.
        settings: the setting.
        placed: mask and grids.
        sums: `quant.binned_rows.Sums` of each part of the inputs, in their order.
    """

    inputs: WhatIfInputs
    settings: WhatIf
    placed: Placed
    sums: tuple


def predict(inputs: WhatIfInputs, settings: WhatIf) -> Prediction:
    """Places the grids and takes the errors of every channel, modality and position.

    Raises:
        SpecError: the settings do not go together, or need whole tokens.
    """
    placed = place(inputs, settings)
    return Prediction(inputs, settings, placed, tuple(part.rows.errors(placed.grids) for part in inputs.parts))


def place(inputs: WhatIfInputs, settings: WhatIf) -> Placed:
    """Mask, edges, clip ratios and grids.

    The mask is DABC's (stats/dispersion.py), the edges are those of MorphoQuant's code for methods with a mask or a search, and
    the largest magnitude of the channel or layer else. A searched ratio lowers

        mean |xhat - x|^p - cos * cos(x_c, xhat_c)

    over all counted values of a channel, of ratios low^(i / 14), i = 0 .. 14.

    Source: MorphoQuant (arXiv 2606.04349), sections on DABC and MDQFO, and its published code, QuantAct.search, there over a
    sample of tokens.
    """
    settings.check()
    if settings.granularity == "token":
        raise SpecError(
            "one scale a token follows the largest value of that token, which histograms of channels do not tell: look at a "
            "single layer's error, choose one range a channel or a layer, or measure it by a run."
        )
    score = np.where(inputs.count > 0, dispersion_score(inputs.low, inputs.high, inputs.mean_abs), np.nan)
    layers = range(len(inputs.layers))
    limit_score = np.array([mask_limit(score[inputs.of(layer)], settings.sigma) for layer in layers])
    masked = np.zeros(len(score), bool)
    for layer, role in zip(layers, inputs.layers["role"], strict=True) if settings.bypass else ():
        own = inputs.of(layer)
        masked[own] = (settings.whole and role in WHOLE_ROLES) or outlier_mask(score[own], settings.sigma)
    low, high = _edges(inputs, settings, masked)
    ratio = np.full(len(score), settings.clip)
    if settings.search:
        ratio = _searched(inputs, settings, masked, low, high)
    grids = _grids(low * ratio, high * ratio, masked, settings)
    return Placed(score, limit_score, masked, low, high, ratio, grids)


def layer_sums(prediction: Prediction, selection: Selection, channel: int | None = None) -> pd.DataFrame:
    """Sums by layer and modality over the selected positions.

    Args:
        prediction: of one layer or many.
        selection: its modalities and positions.
        channel: one channel, numbered through all layers; absent for all.

    Returns:
        layer, modality, values, signal_sq, error_sq, clip_sq, clipped, bypassed; those present, in the order of the inputs.
    """
    layers = prediction.inputs.layers
    pairs = zip(prediction.inputs.parts, prediction.sums, strict=True)
    return sums_frame(layers, sum(part_sums(part, sums, len(layers), selection, channel) for part, sums in pairs))


def part_sums(part: Part, sums, layers: int, selection: Selection, channel: int | None = None) -> np.ndarray:
    """`quant.binned_rows.Sums` of a part by layer and modality, [SUMS, layers * modalities]; of grids [SUMS, grids, ...]."""
    wanted = where(selection)
    positions = [POSITIONS.index(name) for name in wanted["position"]]
    modalities = [MODALITIES.index(name) for name in wanted.get("modality", MODALITIES)]
    chosen = np.zeros((len(MODALITIES), len(POSITIONS)), bool)
    chosen[np.ix_(modalities, positions)] = True
    own = chosen[part.modality, part.position]
    own &= True if channel is None else part.rows.channel == channel
    key = (part.layer * len(MODALITIES) + part.modality)[own]
    found = np.zeros((len(SUMS), layers * len(MODALITIES), *sums.error_sq.shape[1:]))
    if len(key):
        # Rows of one modality are stored one after the other, so these are few.
        starts = np.flatnonzero(np.diff(key, prepend=-1))
        for total, name in zip(found, SUMS, strict=True):
            rows = getattr(sums, name)
            each = np.add.reduceat(rows if len(key) == len(own) else rows[own], starts, axis=0)
            np.add.at(total, key[starts], each.reshape(len(each), *[-1] * (total.ndim - 1)))
    return np.moveaxis(found, 1, -1)


def sums_frame(layers: pd.DataFrame, total: np.ndarray) -> pd.DataFrame:
    """The frame of `layer_sums` from sums of `part_sums` [SUMS, layers * modalities] of all parts."""
    filled = np.flatnonzero(total[0] > 0)
    layer = layers["layer"].to_numpy()[filled // len(MODALITIES)]
    modality = np.array([str(name) for name in MODALITIES])[filled % len(MODALITIES)]
    return pd.DataFrame(dict(layer=layer, modality=modality) | dict(zip(SUMS, total[:, filled], strict=True)))


def _edges(inputs: WhatIfInputs, settings: WhatIf, masked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if settings.places_channels:
        from morphoquant.quant.edges import base_edges

        return base_edges(inputs.low, inputs.high, masked, EDGE, ONE_SIGNED)
    reach = np.maximum(np.abs(inputs.low), np.abs(inputs.high))
    if settings.granularity == "tensor":
        reach = np.repeat(np.maximum.reduceat(reach, inputs.starts[:-1]), np.diff(inputs.starts))
    return -reach, reach


def _searched(inputs: WhatIfInputs, settings: WhatIf, masked: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    ratios = settings.low ** np.linspace(0, 1, RATIO_COUNT)
    grids = _grids(low[:, None] * ratios, high[:, None] * ratios, masked[:, None], settings)
    found = inputs.pooled.objectives(grids, settings.p, cosine=settings.cos > 0)
    values = np.maximum(found.values, 1)[:, None]
    cost = found.power / values
    if settings.cos:
        signal = found.signal_sq[:, None]
        product, squares = signal + found.cross, signal + 2 * found.cross + found.error_sq
        norms = np.sqrt(np.maximum(squares * signal, np.finfo(float).tiny))
        cost = cost - settings.cos * product / norms
    # The first of equal costs, so that no clipping wins a tie.
    return ratios[cost.argmin(1)]


def _grids(low: np.ndarray, high: np.ndarray, masked: np.ndarray, settings: WhatIf):
    """The one quantiser's grids on edges of any shape, and the bypass limits."""
    import torch

    from morphoquant.quant.binned_rows import StaticGrids
    from morphoquant.quant.bypass import EVERY_VALUE
    from morphoquant.quant.grid import range_grid

    levels = range_grid(torch.from_numpy(np.ascontiguousarray(low)), torch.from_numpy(np.ascontiguousarray(high)), settings.bits)
    # Methods keep steps in float32.
    step = levels.step.float().double().numpy()
    reach = np.maximum(np.abs(low), np.abs(high))
    limit = settings.lam * reach if settings.lam > 0 else np.full_like(reach, EVERY_VALUE)
    limit = np.where(masked, limit, np.inf)
    return StaticGrids(step, levels.zero_point.double().numpy(), limit, levels.code_low, levels.code_high)
