"""LLM.int8(): outlier columns in full precision, the rest in integers."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from morphoquant.core.errors import SpecError
from morphoquant.core.spec import QuantSpec
from morphoquant.methods.base import METHODS, GroupFit, GroupInputs, Need
from morphoquant.methods.basis import with_weights
from morphoquant.methods.parts import Part
from morphoquant.methods.plain import PlainMethod, require_token_scales
from morphoquant.methods.weights import fit_weights
from morphoquant.quant.activation import TokenQuantizer
from morphoquant.quant.bypass import EVERY_VALUE, Bypass
from morphoquant.quant.grouped import WithoutChannels


@dataclass(frozen=True)
class LLMInt8(PlainMethod):
    """Splits the product: channels with a value beyond a threshold are multiplied in full precision, all others in integers.

    Idea: outliers stand in few channels, the same for all tokens; without them 8 bits a token and output channel suffice.

    Formula: O = {k : max_t |x_tk| > threshold}; y = x_O W_O^T + Q(x_rest) Q(W_rest)^T, scales taken over the rest alone.

    Needs: the extremes of each channel.
    Cost: none for calibration; at run time a second product over the columns of O, whose weights stay at 16 bits.
    Fails when: the model's scale makes the threshold meaningless: far too many columns then pass, or none. Watch the bypass
        density.

    Source: Dettmers et al. 2022, LLM.int8() (arXiv 2208.07339), equation 8. The paper finds O anew in each batch; here it is
        fixed by calibration, so that a token's result does not depend on those beside it.

    Attributes:
        threshold: magnitude beyond which a channel is an outlier; 0 leaves every channel that was ever used unquantised.
    """

    threshold: float = 6.0

    name = "llm_int8"
    needs = frozenset({Need.EXTREMES})
    finds = frozenset({Part.WEIGHTS, Part.ACTIVATION})

    def __post_init__(self):
        if not (math.isfinite(self.threshold) and self.threshold >= 0):
            raise SpecError(f"llm_int8.threshold cannot be {self.threshold}: allowed is a finite value at least 0.")

    def check(self, spec: QuantSpec) -> None:
        """Raises SpecError unless activations have one scale a token."""
        require_token_scales(self.name, spec)

    def fit(self, inputs: GroupInputs, spec: QuantSpec, survey: object | None = None) -> GroupFit:
        self.check(spec)
        reach = np.maximum(np.abs(inputs.summary.min), np.abs(inputs.summary.max))
        mask = torch.from_numpy(np.ascontiguousarray(reach > self.threshold))
        weights = _weights(inputs, spec, mask)
        outputs = sum(len(w) for w in weights.values())
        wider = float(mask.sum()) * outputs * (16 - spec.w_bits) if spec.quantises_weights else 0.0
        if not spec.quantises_activations:
            return GroupFit(inputs.group, weights, extra_weight_bits=wider)
        return GroupFit(
            inputs.group,
            weights,
            activation=WithoutChannels(TokenQuantizer(spec.a_bits), mask),
            correction=Bypass(mask, torch.full((inputs.channels,), EVERY_VALUE)),
            bypass_density=float(mask.double().mean()),
            extra_weight_bits=wider,
        )


def _weights(inputs: GroupInputs, spec: QuantSpec, mask: Tensor) -> dict[str, Tensor]:
    """Weights whose masked columns are those of the inputs and leave the scales of the others alone."""
    if not spec.quantises_weights:
        return dict(inputs.weights)
    given = {layer: w.detach() for layer, w in inputs.weights.items()}
    rest = {layer: w.masked_fill(mask.to(w.device), 0.0) for layer, w in given.items()}
    rounded = fit_weights(with_weights(inputs, rest), spec)
    return {layer: torch.where(mask.to(w.device), w, rounded[layer]) for layer, w in given.items()}


METHODS.add("llm_int8", LLMInt8)
