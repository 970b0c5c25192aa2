"""SmoothQuant: per-channel scales that move outliers from activations into weights."""

from dataclasses import dataclass

import numpy as np
import torch

from morphoquant.core.spec import QuantSpec
from morphoquant.methods.base import METHODS, GroupInputs, Need
from morphoquant.methods.folding import scale_folds
from morphoquant.methods.output_error import output_error
from morphoquant.methods.plain import BasisMethod, require_range
from morphoquant.methods.rows import search_rows
from morphoquant.quant.channelwise import Scale

# Least magnitude of a channel of input or weight, as in the reference code.
FLOOR = 1e-5
# What a search tries, and the sampled tokens that it measures errors on.
ALPHAS, ROWS = tuple(step / 20 for step in range(5, 19)), 256


@dataclass(frozen=True)
class SmoothQuant(BasisMethod):
    """Divides each input channel by a scale and multiplies the weight's column with it, then rounds to nearest.

    Idea: activations have wide channels and weights have not; sharing the width out between both makes both roundable.

    Formula: s_k = max|x_k|^alpha / max_n|W_nk|^(1-alpha), over all linears that share the input; x / s and W diag(s).

    Needs: the extremes of each channel; with `search` a token sample.
    Cost: one pass for statistics, with `search` 15 roundings and products a group as well; none at run time where the scale
        folds into a norm or a gated product, else one product a value.
    Fails when: one static range a channel is in use, which no scale of channels can help and which leaves the weight worse
        off; when one modality sets the extremes of channels that another uses otherwise; for weights alone.

    Source: Xiao et al. 2023, SmoothQuant (arXiv 2211.10438), equation 4. Here every group is smoothed, not only those behind a
        norm.

    Attributes:
        alpha: share of the width that goes to the weight, from 0 to 1.
        search: takes for each group that of `alpha` and 0.25, 0.3 .. 0.9 with the smallest error of the linears' outputs.
    """

    alpha: float = 0.5
    search: bool = False

    name = "smoothquant"

    @property
    def needs(self) -> frozenset[Need]:
        """The extremes, and a sample to search on."""
        return frozenset({Need.EXTREMES, Need.SAMPLE} if self.search else {Need.EXTREMES})

    def __post_init__(self):
        require_range(self.name, "alpha", self.alpha, 0, 1)

    def transform(self, inputs: GroupInputs, spec: QuantSpec) -> Scale:
        start = self._scale(inputs, self.alpha)
        if not self.search:
            return start
        x, root = search_rows(inputs.sample, ROWS)
        if not len(x):
            return start
        candidates = [start, *(self._scale(inputs, alpha) for alpha in ALPHAS)]
        errors = [output_error(candidate, inputs, spec, x, root) for candidate in candidates]
        return candidates[int(np.argmin(errors))]

    def _scale(self, inputs: GroupInputs, alpha: float) -> Scale:
        reach = torch.from_numpy(np.maximum(np.abs(inputs.summary.min), np.abs(inputs.summary.max))).double()
        width = torch.stack([w.detach().abs().amax(0) for w in inputs.weights.values()]).amax(0).double().cpu()
        scale = reach.clamp_min(FLOOR) ** alpha / width.clamp_min(FLOOR) ** (1 - alpha)
        # A channel that calibration never saw moves nothing.
        return Scale(torch.where(reach > 0, scale.clamp_min(FLOOR), 1.0), scale_folds(inputs.role))


METHODS.add("smoothquant", SmoothQuant)
