"""RTN: round to nearest."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import torch

from morphoquant.core.errors import SpecError
from morphoquant.core.spec import QuantSpec
from morphoquant.methods.base import METHODS, ChannelSummary, GroupFit, GroupInputs, Need
from morphoquant.methods.columns import grid_columns
from morphoquant.methods.weights import fit_weights
from morphoquant.quant.activation import ActivationQuantizer, StaticQuantizer, TokenQuantizer
from morphoquant.quant.formats import FormatQuantizer
from morphoquant.quant.grid import UniformGrid, asymmetric_grid, range_grid, symmetric_grid


@dataclass(frozen=True)
class RTN:
    """Rounds weights and activations to the nearest level of a grid that spans everything seen in calibration.

    Idea: the baseline that every method must beat. One static range a channel is the "naive W4A4" of the MorphoQuant paper.

    Formula: Q(x) = s clamp(round(x / s)), s = clip max|x| / (2^(bits-1) - 1), over a token (dynamic), a channel or the whole
        input (static). Number formats other than integers round as quant/formats.py says.

    Needs: the extremes of each channel for static ranges, nothing for dynamic ones.
    Cost: none beyond capturing statistics.
    Fails when: a few large values of a channel (or token) stretch its grid so that the rest rounds to few levels.

    Source: Jacob et al. 2018, section 3, for uniform quantisation; the defaults are those of common practice. Each number
        format names its own.

    Attributes:
        grid: placement of static grids. "symmetric" has zero in the middle, "asymmetric" spans min to max with zero inside,
            "range" is MorphoQuant's quantiser on [-max|x|, max|x|].
        clip: share of the range that an integer grid spans, above 0, at most 1.
        restricted: leaves out the lowest code of symmetric grids.
    """

    grid: Literal["symmetric", "asymmetric", "range"] = "symmetric"
    clip: float = 1.0
    restricted: bool = False

    name = "rtn"
    needs = frozenset({Need.EXTREMES})

    def __post_init__(self):
        if not 0 < self.clip <= 1:
            raise SpecError(f"rtn cannot clip to {self.clip} of the range: clip is above 0 and at most 1; use 1 for no clipping.")

    def options(self) -> dict[str, Any]:
        return asdict(self)

    def check(self, spec: QuantSpec) -> None:
        """Raises SpecError if a field would place an integer grid that the spec has not."""
        if spec.a_format != "int" and self != RTN():
            raise SpecError(
                f'rtn cannot honour "{spec.activation_suffix}" in {str(spec)!r} with grid, clip or restricted, which place '
                "integer grids: leave them out, or use rtn with integers."
            )

    def survey(self, summaries: Mapping[str, ChannelSummary]) -> None:
        return None

    def fit(self, inputs: GroupInputs, spec: QuantSpec, survey: object | None = None) -> GroupFit:
        self.check(spec)
        weights = fit_weights(inputs, spec)
        if not spec.quantises_activations:
            return GroupFit(inputs.group, weights)
        quantizer = self._activation(inputs, spec)
        columns = grid_columns(quantizer) if isinstance(quantizer, StaticQuantizer) else None
        return GroupFit(inputs.group, weights, activation=quantizer, columns=columns)

    def _activation(self, inputs: GroupInputs, spec: QuantSpec) -> ActivationQuantizer:
        if spec.a_format != "int":
            return FormatQuantizer(spec.a_format)
        if spec.a_granularity == "token":
            return TokenQuantizer(spec.a_bits, self.clip, self.restricted)
        low, high = inputs.summary.min * self.clip, inputs.summary.max * self.clip
        if spec.a_granularity == "tensor":
            low, high = low.min(keepdims=True), high.max(keepdims=True)
        if self.grid != "asymmetric":
            high = np.maximum(np.abs(low), np.abs(high))
            low = -high
        low, high = (torch.from_numpy(np.ascontiguousarray(edge, np.float32)) for edge in (low, high))
        levels = self._levels(low, high, spec.a_bits)
        return StaticQuantizer(levels, low.expand(inputs.channels), high.expand(inputs.channels))

    def _levels(self, low: torch.Tensor, high: torch.Tensor, bits: int) -> UniformGrid:
        place = {
            "symmetric": lambda: symmetric_grid(high, bits, self.restricted),
            "asymmetric": lambda: asymmetric_grid(low, high, bits),
            "range": lambda: range_grid(low, high, bits),
        }
        return place[self.grid]()


METHODS.add("rtn", RTN)
