"""The error that searches are judged by."""

from dataclasses import replace

from torch import Tensor

from morphoquant.core.spec import QuantSpec
from morphoquant.methods.base import GroupFit, GroupInputs
from morphoquant.methods.basis import in_basis
from morphoquant.methods.rtn import RTN
from morphoquant.quant.transform import Transform


def output_error(transform: Transform, inputs: GroupInputs, spec: QuantSpec, x: Tensor, root: Tensor) -> float:
    """Mean squared error of the outputs of all linears of a group, rounded to nearest after `transform`.

    Args:
        transform: the change of basis.
        inputs: the group, before it.
        spec: how input and weights are rounded.
        x: rows before it [n, K].
        root: root of each row's share [n, 1].
    """
    return fit_error(replace(RTN().fit(in_basis(inputs, transform), spec), transform=transform), inputs, x, root)


def fit_error(found: GroupFit, inputs: GroupInputs, x: Tensor, root: Tensor) -> float:
    """Mean squared error of the outputs of all linears of a group under a fit without correction and branches.

    Args:
        found: the fit.
        inputs: the group, before its transform.
        x: rows before it [n, K].
        root: root of each row's share [n, 1].
    """
    turned = found.transform.input(x)
    used = turned if found.activation is None else found.activation.quantize(turned).to(x.dtype)
    error = 0.0
    for layer, w in inputs.weights.items():
        exact = found.transform.weight(w).to(x.dtype)
        # The constant of a shift is exact and on both sides.
        off = (used * root) @ found.weights[layer].to(x.dtype).T - (turned * root) @ exact.T
        error += float(off.double().square().sum())
    return error
