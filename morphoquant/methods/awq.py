"""AWQ: activation-aware scales and clipping of weights."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from morphoquant.core.layers import role_of
from morphoquant.core.spec import QuantSpec
from morphoquant.methods.base import METHODS, GroupFit, GroupInputs, Need
from morphoquant.methods.basis import in_basis, with_weights
from morphoquant.methods.folding import scale_folds
from morphoquant.methods.parts import Part
from morphoquant.methods.plain import BasisMethod, require_least
from morphoquant.methods.rows import search_rows
from morphoquant.methods.weight_clip import clip_weight
from morphoquant.methods.weights import fit_weights
from morphoquant.quant.channelwise import Scale
from morphoquant.quant.transform import Identity, Transform

# Clipping these changes attention scores, on which the error of a linear says little.
_UNCLIPPED = frozenset({"q_proj", "k_proj", "query", "key", "q", "k"})


@dataclass(frozen=True)
class AWQ(BasisMethod):
    """Scales up the weight columns whose inputs are large, as far as the error of the output falls, then clips the weights.

    Idea: weights that meet large activations matter most; scaled up before rounding, and their input down, they lose less.

    Formula: s = mean|x|^r over sqrt(max s min s), r of 0, 1/20 .. 19/20 with the smallest mean squared error of x W^T after
        Q(W diag s) diag(1/s); then the clip of 1, 0.95 .. 0.55 with the smallest error for each output and weight group.

    Needs: the mean magnitude of each channel and a token sample; the extremes for static activation ranges.
    Cost: `ratios` + 10 roundings and products a group; at run time the scale, as with SmoothQuant.
    Fails when: activations are quantised too: the search knows of the weight alone and may widen the input. When the sample
        misses a modality, whose channels then count as unimportant.

    Source: Lin et al. 2024, AWQ (arXiv 2306.00978), equations 4 and 5, and its published code. The code measures the error
        after attention or the gated product, here it is that of the linears.

    Attributes:
        ratios: exponents tried; 1 is no scaling.
        clip: searches the clip.
        rows: sampled tokens that errors are measured on, at most.
    """

    ratios: int = 20
    clip: bool = True
    rows: int = 512

    name = "awq"
    needs = frozenset({Need.EXTREMES, Need.MEAN_ABS, Need.SAMPLE})

    def __post_init__(self):
        require_least(self, 1, "ratios", "rows")

    @property
    def finds(self) -> frozenset[Part]:
        """The scale, and with clipping the weights."""
        return frozenset({Part.TRANSFORM, Part.WEIGHTS} if self.clip else {Part.TRANSFORM})

    def transform(self, inputs: GroupInputs, spec: QuantSpec) -> Transform:
        x, root = search_rows(inputs.sample, self.rows)
        if not spec.quantises_weights or not len(x):
            return Identity()
        scales = [candidate(inputs.summary.mean_abs, step / self.ratios) for step in range(self.ratios)]
        errors = [weight_error(inputs, spec, scale, x * root) for scale in scales]
        best = int(np.argmin(errors))
        return Scale(scales[best], scale_folds(inputs.role)) if best else Identity()

    def fit(self, inputs: GroupInputs, spec: QuantSpec, survey: object | None = None) -> GroupFit:
        found = super().fit(inputs, spec, survey)
        x, root = search_rows(inputs.sample, self.rows)
        if not (self.clip and spec.quantises_weights and len(x)):
            return found
        turned, rows = in_basis(inputs, found.transform), found.transform.input(x) * root
        weights = {
            layer: rounded if role_of(layer) in _UNCLIPPED else clip_weight(turned, layer, spec, rows, rounded)
            for layer, rounded in found.weights.items()
        }
        return replace(found, weights=weights)


def candidate(mean_abs: np.ndarray, ratio: float) -> Tensor:
    """Scale of each channel at an exponent, float64 [K]; all ones at 0, and 1 for a channel that calibration never saw."""
    size = torch.from_numpy(np.array(mean_abs, np.float64))
    scale = size.pow(ratio).clamp_min(1e-4)
    seen = scale[size > 0]
    return torch.where(size > 0, scale / (seen.max() * seen.min()).sqrt(), 1.0) if len(seen) else torch.ones_like(scale)


def weight_error(inputs: GroupInputs, spec: QuantSpec, scale: Tensor, rows: Tensor) -> float:
    """Squared error of `rows` W^T over all linears of a group whose weights are rounded after multiplication with `scale`."""
    move = Scale(scale)
    scaled = with_weights(inputs, {layer: move.weight(w.detach()) for layer, w in inputs.weights.items()})
    turned, error = move.input(rows), 0.0
    for layer, rounded in fit_weights(scaled, spec).items():
        off = turned @ (rounded - scaled.weights[layer]).to(rows.dtype).T
        error += float(off.double().square().sum())
    return error


METHODS.add("awq", AWQ)
