"""Puts mask, edges, search and bypass together into the fit of a group."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from morphoquant.core.errors import SpecError
from morphoquant.core.spec import QuantSpec
from morphoquant.methods.base import GroupFit, GroupInputs, Need, TokenSample
from morphoquant.methods.columns import grid_columns
from morphoquant.methods.morpho.edges import base_edges, density_floor
from morphoquant.methods.morpho.mask import channel_mask, channel_scores
from morphoquant.methods.morpho.search import Placement, clip_ratios, search_ratio_index
from morphoquant.methods.morpho.settings import Settings
from morphoquant.methods.morpho.token_cosine import refine_ratio_index
from morphoquant.methods.weights import fit_weights
from morphoquant.quant.activation import StaticQuantizer
from morphoquant.quant.formats import FormatQuantizer
from morphoquant.quant.threads import one_thread


@dataclass(frozen=True)
class Parts:
    """Which parts a method has.

    Attributes:
        masks: outlier channels and their bypass (DABC).
        searches: the clip search (MDQFO).
    """

    masks: bool
    searches: bool

    @property
    def needs(self) -> frozenset[Need]:
        """The extremes and a sample always; the mean magnitude for the mask's score."""
        return frozenset({Need.EXTREMES, Need.SAMPLE} | ({Need.MEAN_ABS} if self.masks else set()))


def require_channel_ranges(name: str, spec: QuantSpec, parts: Parts) -> None:
    """Raises SpecError unless the ranges that the method finds a channel have a use.

    They place the grid of integer activations with one static range a channel. Of other number formats they place the limit
    above which masked values bypass, so a mask is needed.
    """
    honoured = spec.a_granularity == "channel" and (spec.a_format == "int" or parts.masks)
    if spec.quantises_activations and not honoured:
        suffix = spec.activation_suffix
        raise SpecError(
            f'{name} places one static activation range a channel and cannot honour "{suffix}" in {str(spec)!r}: '
            f'leave out "{suffix}", or use rtn.'
        )


@one_thread()
def fit_group(
    name: str, inputs: GroupInputs, spec: QuantSpec, population: np.ndarray | None, settings: Settings, parts: Parts
) -> GroupFit:
    """Fits one group.

    Args:
        name: of the method, for errors.
        inputs: the group.
        spec: bit-widths and formats.
        population: dispersion scores of all layers, None for a local mask.
        settings: every choice.
        parts: what the method does.

    Returns:
        Quantiser, bypass and weights. With number formats other than integers the grid that was found serves to place the
        bypass alone, as in the reference code: what does not bypass is rounded to the format, bypassed values being zero to
        their block.

    Raises:
        SpecError: the spec has no use for ranges of channels, or a weight's group size does not divide its inputs.
    """
    require_channel_ranges(name, spec, parts)
    weights = fit_weights(inputs, spec)
    if not spec.quantises_activations:
        return GroupFit(inputs.group, weights)
    score, masked = None, np.zeros(inputs.channels, bool)
    if parts.masks:
        score = channel_scores(inputs.summary, settings)
        masked = channel_mask(score, inputs.role, settings, population)
    low, high = base_edges(inputs.summary.min, inputs.summary.max, masked, settings)
    sample = inputs.sample.finite()
    placement = Placement(
        torch.from_numpy(np.ascontiguousarray(low, np.float64)),
        torch.from_numpy(np.ascontiguousarray(high, np.float64)),
        torch.from_numpy(masked),
        density_floor(sample, masked, settings.max_bypass_density),
        spec.a_bits,
    )
    ratio = _ratios(sample, placement, settings, parts)
    bypass = placement.bypass(ratio, settings) if parts.masks else None
    density = None if bypass is None or not len(sample.x) else bypass.share(sample.x, sample.weights)
    if spec.a_format != "int":
        rounded = FormatQuantizer(spec.a_format, bypass)
        return GroupFit(inputs.group, weights, activation=rounded, correction=bypass, bypass_density=density)
    quantizer = StaticQuantizer(placement.grid(ratio, settings), ratio * placement.low, ratio * placement.high)
    limit = None if bypass is None else bypass.limit.double().numpy()
    return GroupFit(
        inputs.group,
        weights,
        activation=quantizer,
        correction=bypass,
        columns=grid_columns(quantizer, base=(low, high), score=score, masked=masked, limit=limit),
        bypass_density=density,
    )


def _ratios(sample: TokenSample, placement: Placement, settings: Settings, parts: Parts) -> Tensor:
    """Clip ratio of each channel, float64 [K]; 1 without a search or a sample to search on."""
    if not parts.searches or not len(sample.x):
        return torch.ones_like(placement.low)
    index = search_ratio_index(sample, placement, settings)
    if settings.cos == "token":
        index = refine_ratio_index(sample, placement, settings, index)
    return clip_ratios(settings)[index]
