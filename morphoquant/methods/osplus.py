"""Outlier Suppression+: shift every channel to its centre, then scale down the wide ones."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from morphoquant.core.spec import QuantSpec
from morphoquant.methods.base import METHODS, GroupInputs, Need
from morphoquant.methods.folding import scale_folds
from morphoquant.methods.output_error import output_error
from morphoquant.methods.plain import BasisMethod, require_least
from morphoquant.methods.rows import search_rows
from morphoquant.quant.channelwise import Scale, Shift
from morphoquant.quant.transform import Transform, composed


@dataclass(frozen=True)
class OSPlus(BasisMethod):
    """Subtracts the middle of each channel's range and divides what is wider than one searched threshold.

    Idea: outliers are asymmetric and stand in few channels. Centring halves the widest ranges at no cost to the weight;
        scaling only what exceeds a threshold leaves all other columns of the weight alone.

    Formula: z_k = (max_k + min_k) / 2; s_k = max(1, (max_k - z_k) / t) with one t for the input, the one that leaves the
        smallest squared error of the quantised linears' outputs.

    Needs: the extremes of each channel and a token sample.
    Cost: up to 2 x `steps` roundings of input and weights and as many products a group; at run time one subtraction a value
        where the producer has no bias, and a scale as with SmoothQuant.
    Fails when: ranges are set by rare tokens such as attention sinks: their middle is then far from the bulk, and shifting by
        it does great harm; where one range a channel is in use, only the shift can help.

    Source: Wei et al. 2023, Outlier Suppression+ (arXiv 2304.09145): shifting, scaling, and the search of t. The
        paper measures the error after attention or the gated product and takes at least 100 thresholds, evenly spaced; here it
        is the error of the linears themselves, and thresholds are spaced by ratios, from the widest channel to the narrowest
        or a thousandth. Its code shifts models with LayerNorm and leaves those with RMSNorm unshifted; here the error decides,
        group by group.

    Attributes:
        shift: "search" tries all thresholds with and without the shift, "always" and "never" one of both.
        steps: thresholds tried; the first leaves the scale at 1.
        rows: sampled tokens that the error is measured on, at most.
    """

    shift: Literal["search", "always", "never"] = "search"
    steps: int = 20
    rows: int = 256

    name = "osplus"
    needs = frozenset({Need.EXTREMES, Need.SAMPLE})

    def __post_init__(self):
        require_least(self, 1, "steps", "rows")

    def transform(self, inputs: GroupInputs, spec: QuantSpec) -> Transform:
        candidates = self._candidates(inputs)
        x, root = search_rows(inputs.sample, self.rows)
        if len(candidates) == 1 or not len(x):
            return candidates[0]
        errors = [output_error(candidate, inputs, spec, x, root) for candidate in candidates]
        return candidates[int(np.argmin(errors))]

    def _candidates(self, inputs: GroupInputs) -> list[Transform]:
        """What is tried, the identity first unless the shift is always made."""
        low, high = (torch.from_numpy(np.array(edge, np.float64)) for edge in (inputs.summary.min, inputs.summary.max))
        centre, folds = Shift((high + low) / 2), scale_folds(inputs.role)
        found: list[Transform] = []
        if self.shift != "always":
            found += _scaled(torch.maximum(low.abs(), high.abs()), self.steps, [], folds)
        if self.shift != "never":
            found += _scaled((high - low) / 2, self.steps, [centre], folds)
        return found


def _scaled(reach: Tensor, steps: int, before: list[Transform], folds: bool) -> list[Transform]:
    """`before` alone, then with the scale of each smaller threshold; `reach` is the largest magnitude of each channel then."""
    widest = float(reach.max())
    if widest <= 0:
        return [composed(before)]
    lowest = max(float(reach[reach > 0].min()), widest / 1000)
    thresholds = [widest * (lowest / widest) ** (step / (steps - 1)) for step in range(1, steps)]
    return [composed(before), *(composed([*before, Scale((reach / t).clamp_min(1.0), folds)]) for t in thresholds)]


METHODS.add("osplus", OSPlus)
