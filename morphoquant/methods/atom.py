"""Atom: outlier channels moved to the end and kept in 8 bits, the rest in groups."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from morphoquant.core.spec import QuantSpec
from morphoquant.methods.base import METHODS, GroupFit, GroupInputs, Need
from morphoquant.methods.basis import with_weights
from morphoquant.methods.parts import Part
from morphoquant.methods.plain import PlainMethod, require_least, require_range, require_token_scales
from morphoquant.methods.weight_clip import clamped, reach_of
from morphoquant.methods.weights import fit_weights
from morphoquant.quant.activation import TokenQuantizer
from morphoquant.quant.channelwise import Permutation
from morphoquant.quant.grouped import GroupQuantizer, SplitQuantizer

OUTLIER_BITS = 8


@dataclass(frozen=True)
class Atom(PlainMethod):
    """Sorts channels by energy, rounds the strongest to 8 bits and all others to the spec's bits, a scale for each group.

    Idea: mixed precision at the speed of integers: sorted, the two kinds of channel are two regular products.

    Formula: order by sum of squares; the last `outliers` channels have 8 bits, the rest those of the spec; activations have
        one dynamic scale a token and group of `group` channels.

    Needs: the moments and the count of each channel.
    Cost: none for calibration; at run time a gather of channels, and 8 bits in place of fewer for the outliers' weights.
    Fails when: more channels are wide than have 8 bits; when inputs are narrow, so that the outliers are a large share.

    Source: Zhao et al. 2024, Atom (arXiv 2310.19102): mixed precision, groups, dynamic quantisation. Weights are rounded to
        nearest here; the paper uses GPTQ.

    Attributes:
        outliers: channels in 8 bits, at most.
        share: of all channels that they may be, at most.
        group: channels that share a scale of a token; weights have the spec's scales.
        clip: share of the range that activation grids span.
        weight_clip: the same of weights.
    """

    outliers: int = 128
    share: float = 0.125
    group: int = 128
    clip: float = 0.9
    weight_clip: float = 0.85

    name = "atom"
    needs = frozenset({Need.EXTREMES, Need.MOMENTS})
    finds = frozenset({Part.TRANSFORM, Part.WEIGHTS, Part.ACTIVATION})

    def __post_init__(self):
        require_least(self, 0, "outliers")
        require_least(self, 1, "group")
        require_range(self.name, "share", self.share, 0, 1)
        for field in ("clip", "weight_clip"):
            require_range(self.name, field, getattr(self, field), 0, 1, open_low=True)

    def check(self, spec: QuantSpec) -> None:
        """Raises SpecError unless activations have scales of the token."""
        require_token_scales(self.name, spec)

    def fit(self, inputs: GroupInputs, spec: QuantSpec, survey: object | None = None) -> GroupFit:
        self.check(spec)
        if not (spec.quantises_weights or spec.quantises_activations):
            return GroupFit(inputs.group, fit_weights(inputs, spec))
        wide = min(self.outliers, int(self.share * inputs.channels))
        transform = Permutation(torch.from_numpy(_order(inputs, wide)))
        weights = self._weights(inputs, spec, transform, wide)
        outputs = sum(len(w) for w in weights.values())
        wider = max(OUTLIER_BITS - spec.w_bits, 0) * float(wide * outputs)
        return GroupFit(
            inputs.group,
            weights,
            activation=self._activation(spec, wide) if spec.quantises_activations else None,
            transform=transform,
            extra_weight_bits=wider,
        )

    def _activation(self, spec: QuantSpec, wide: int) -> SplitQuantizer:
        bits = spec.a_bits, max(OUTLIER_BITS, spec.a_bits)
        rest, last = (GroupQuantizer(TokenQuantizer(width, self.clip), self.group) for width in bits)
        return SplitQuantizer(rest, last, wide)

    def _weights(self, inputs: GroupInputs, spec: QuantSpec, transform: Permutation, wide: int) -> dict[str, Tensor]:
        turned = {layer: transform.weight(w.detach()) for layer, w in inputs.weights.items()}
        if not spec.quantises_weights:
            return turned
        finer = spec if spec.w_bits >= OUTLIER_BITS else replace(spec, w_bits=OUTLIER_BITS, w_format="int")
        split = [inputs.channels - wide, wide]
        parts = [
            self._part(inputs, {layer: w.split(split, 1)[place] for layer, w in turned.items()}, how)
            for place, how in enumerate((spec, finer))
        ]
        return {layer: torch.cat([part[layer] for part in parts], 1) for layer in turned}

    def _part(self, inputs: GroupInputs, weights: dict[str, Tensor], spec: QuantSpec) -> dict[str, Tensor]:
        """Some columns rounded; the last group is filled with zeros, which change no scale."""
        width = next(iter(weights.values())).shape[1]
        if not width:
            return weights
        group = spec.w_group or width
        filled = {layer: pad(w, (0, -width % group)) for layer, w in weights.items()}
        clipped = {layer: clamped(w, self.weight_clip * reach_of(w, group)) for layer, w in filled.items()}
        return {layer: w[:, :width] for layer, w in fit_weights(with_weights(inputs, clipped), spec).items()}


def _order(inputs: GroupInputs, wide: int) -> np.ndarray:
    """Old places of the channels, the strongest `wide` last; both kinds keep their order among themselves."""
    summary = inputs.summary
    energy = np.square(summary.mean) * summary.count + summary.m2
    strongest = np.argsort(energy, kind="stable")[len(energy) - wide :]
    last = np.zeros(len(energy), bool)
    last[strongest] = True
    return np.concatenate([np.flatnonzero(~last), np.flatnonzero(last)])


METHODS.add("atom", Atom)
