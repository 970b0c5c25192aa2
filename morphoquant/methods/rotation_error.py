"""The error of a group's outputs as a function of its rotation, with the gradient."""

import torch
from torch import Tensor

from morphoquant.core.spec import QuantSpec
from morphoquant.methods.base import GroupInputs
from morphoquant.methods.basis import in_basis
from morphoquant.methods.rtn import RTN
from morphoquant.methods.straight_through import straight_through
from morphoquant.quant.orthogonal import Orthogonal

# Axes over which an integer grid of activations takes its range.
_AXES = {"token": -1, "channel": 0, "tensor": (0, 1)}


class RotationError:
    """Mean squared error of the outputs of all linears, rounded to nearest behind a rotation, on rows of the input.

    Args:
        inputs: the group, before the rotation.
        spec: how input and weights are rounded.
        x: rows of the input [n, K], float32.
        root: root of each row's share [n, 1].
    """

    def __init__(self, inputs: GroupInputs, spec: QuantSpec, x: Tensor, root: Tensor):
        self.inputs, self.spec, self.x, self.root = inputs, spec, x, root
        self.weights = {layer: w.detach().float() for layer, w in inputs.weights.items()}
        self.exact = {layer: (x * root) @ w.T for layer, w in self.weights.items()}

    def __call__(self, matrix: Tensor) -> tuple[float, Tensor]:
        """The error under R, float64 [K, K], and its gradient with respect to the entries of R [K, K]."""
        found = RTN().fit(in_basis(self.inputs, Orthogonal(matrix)), self.spec)
        with torch.enable_grad():
            turn = matrix.float().requires_grad_()
            used = self._input(self.x @ turn, found.activation) * self.root
            outputs = {layer: used @ self._weight(w @ turn, found.weights[layer]).T for layer, w in self.weights.items()}
            error = sum((output - self.exact[layer]).square().sum() for layer, output in outputs.items())
            error.backward()
        return float(error.detach()), turn.grad

    def _input(self, turned: Tensor, quantizer) -> Tensor:
        if quantizer is None:
            return turned
        rounded = quantizer.quantize(turned.detach()).to(turned.dtype)
        # The range is that of these rows; a static one is that of all, of which few lie farther out.
        ranged = self.spec.a_format == "int"
        reach = turned.abs().amax(_AXES[self.spec.a_granularity], keepdim=True) if ranged else None
        return straight_through(turned, rounded, reach)

    def _weight(self, turned: Tensor, rounded: Tensor) -> Tensor:
        if not self.spec.quantises_weights:
            return turned
        if self.spec.w_format != "int":
            return straight_through(turned, rounded)
        groups = turned.unflatten(1, (-1, self.spec.w_group or turned.shape[1]))
        reach = groups.abs().amax(-1, keepdim=True)
        return straight_through(groups, rounded.reshape(groups.shape), reach).reshape(turned.shape)
