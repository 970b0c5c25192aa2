"""SmoothQuant: per-channel scales that move outliers from activations into weights."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from morphoquant.core.spec import QuantSpec
from morphoquant.methods.base import METHODS, GroupInputs, Need
from morphoquant.methods.folding import scale_folds
from morphoquant.methods.plain import BasisMethod, require_range
from morphoquant.quant.channelwise import Scale

# Least magnitude of a channel of input or weight, as in the reference code.
FLOOR = 1e-5


@dataclass(frozen=True)
class SmoothQuant(BasisMethod):
    """Divides each input channel by a scale and multiplies the weight's column with it, then rounds to nearest.

    Idea: activations have wide channels and weights have not; sharing the width out between both makes both roundable.

    Formula: s_k = max|x_k|^alpha / max_n|W_nk|^(1-alpha), over all linears that share the input; x / s and W diag(s).

    Needs: the extremes of each channel.
    Cost: one pass for statistics; none at run time where the scale folds into a norm or a gated product, else one product a
        value.
    Fails when: one static range a channel is in use, which no scale of channels can help and which leaves the weight worse
        off; when one modality sets the extremes of channels that another uses otherwise; for weights alone.

    Source: Xiao et al. 2023, SmoothQuant (arXiv 2211.10438), equation 4. Here every group is smoothed, not only those behind a
        norm.

    Attributes:
        alpha: share of the width that goes to the weight, from 0 to 1.
    """

    alpha: float = 0.5

    name = "smoothquant"
    needs = frozenset({Need.EXTREMES})

    def __post_init__(self):
        require_range(self.name, "alpha", self.alpha, 0, 1)

    def transform(self, inputs: GroupInputs, spec: QuantSpec) -> Scale:
        return Scale(self._scale(inputs), scale_folds(inputs.role))

    def _scale(self, inputs: GroupInputs) -> Tensor:
        reach = torch.from_numpy(np.maximum(np.abs(inputs.summary.min), np.abs(inputs.summary.max))).double()
        width = torch.stack([w.detach().abs().amax(0) for w in inputs.weights.values()]).amax(0).double().cpu()
        scale = reach.clamp_min(FLOOR) ** self.alpha / width.clamp_min(FLOOR) ** (1 - self.alpha)
        # A channel that calibration never saw moves nothing.
        return torch.where(reach > 0, scale.clamp_min(FLOOR), 1.0)


METHODS.add("smoothquant", SmoothQuant)
