"""SpinQuant: rotations learned from QuaRot's random ones."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from morphoquant.core.spec import FULL_PRECISION_BITS, QuantSpec
from morphoquant.methods.base import METHODS, GroupInputs, Need
from morphoquant.methods.plain import BasisMethod, require_least, require_range
from morphoquant.methods.quarot import QuaRot
from morphoquant.methods.rotation_error import RotationError
from morphoquant.methods.rows import search_rows
from morphoquant.quant.orthogonal import Orthogonal, cayley_step
from morphoquant.quant.transform import Identity, Transform

# Inputs behind a gated product or an activation function: no rotation can be folded there, and the paper's is a Hadamard one.
_ONLINE = frozenset({"down_proj", "w2", "fc2"})


@dataclass(frozen=True)
class SpinQuant(BasisMethod):
    """Rotates the input of every linear by an orthogonal matrix that is learned, then rounds to nearest.

    Idea: all rotations leave the full-precision model as it is, but not all round alike: of random ones some are far better than
        others, and descent finds better ones still.

    Formula: min over orthogonal R of |x W^T - Q(x R) Q(W R)^T|^2 from R = D H of QuaRot; each step is
        R <- (I + t/2 Y)^-1 (I - t/2 Y) R, Y = G R^T - R G^T, G the gradient, which rounding passes on.

    Needs: a token sample, and for static ranges the counts of channels.
    Cost: `steps` roundings, products forward and backward and solutions of K equations a group; at run time K
        multiply-accumulates a channel, online, where a rotation was learned, else those of quarot. In the paper the rotations
        before q, k, v, gate and up (R1) and before o (R2, a head at a time) fold into neighbouring weights, and only that before
        down (R4) runs online; here each group has its own, so all are counted.
    Fails when: one token is far larger than all others, which no rotation of channels helps; when the sample is small against K^2
        parameters, whose rows it then fits; when the work of a rotation of full rank matters, so that quarot's is the better buy.

    Source: Liu et al. 2024, SpinQuant (arXiv 2405.16406): Cayley descent from random Hadamard rotations. By group, our
        approximation: the paper learns one R1 for the whole residual stream and R2 on the loss of the task, 100 steps at a rate
        of 1.5; here each group's rotation is learned on the error of its own outputs, over all rows of its sample at once,
        fewer steps. The gradient reaches the ranges of grids too, not the values alone. Inputs behind a gated product or an
        activation function keep QuaRot's rotation, as R4 does, and so does a group whose error learning does not lower. GPTQ for
        the weights, as in the paper, is spinquant:weights=false+gptq.

    Attributes:
        seed: of the signs of the rotation to begin with.
        steps: of descent; 0 keeps the start.
        angle: root mean square angle that the first step turns by, in radians; it falls evenly to 0.
        weights: rounds weights too while learning. The paper does not, where activations are rounded.
        rows: sampled tokens that are learned on, at most.
    """

    seed: int = 0
    steps: int = 20
    angle: float = 0.02
    weights: bool = True
    rows: int = 512

    name = "spinquant"
    needs = frozenset({Need.EXTREMES, Need.SAMPLE})
    mixes = True

    def __post_init__(self):
        require_range(self.name, "angle", self.angle, 0, 1, open_low=True)
        require_least(self, 0, "seed", "steps")
        require_least(self, 1, "rows")

    def matrices(self, role: str) -> int:
        """Of a step: three rotations, the gradient and its product, and the equations with their solution."""
        return 0 if role in _ONLINE else 8

    def transform(self, inputs: GroupInputs, spec: QuantSpec) -> Transform:
        start = QuaRot(self.seed).transform(inputs, spec)
        x, root = search_rows(inputs.sample, self.rows)
        if isinstance(start, Identity) or inputs.role in _ONLINE or not len(x):
            return start
        first = start.input(torch.eye(inputs.channels, dtype=torch.float64))
        found = self._learned(first, RotationError(inputs, self._while_learning(spec), x, root))
        return start if found is first else Orthogonal(found)

    def _learned(self, first: Tensor, measure: RotationError) -> Tensor:
        """The rotation with the smallest error on the way; the very `first` if it is that."""
        best = now = first
        least = torch.inf
        for step in range(self.steps + 1):
            error, gradient = measure(now)
            if error < least:
                best, least = now, error
            if step < self.steps:
                now = cayley_step(now, gradient, self.angle * (1 - step / self.steps))
        return best

    def _while_learning(self, spec: QuantSpec) -> QuantSpec:
        if self.weights or not spec.quantises_activations:
            return spec
        return replace(spec, w_bits=FULL_PRECISION_BITS, w_group=None, w_format="int")


METHODS.add("spinquant", SpinQuant)
