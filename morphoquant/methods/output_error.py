"""The error that searches are judged by."""

from dataclasses import replace

from torch import Tensor

from morphoquant.core.spec import QuantSpec
from morphoquant.methods.base import GroupFit, GroupInputs
from morphoquant.methods.basis import in_basis
from morphoquant.methods.rtn import RTN
from morphoquant.quant.transform import Transform


def output_error(
    transform: Transform, inputs: GroupInputs, spec: QuantSpec, x: Tensor, root: Tensor, power: float = 2.0
) -> float:
    """`fit_error` of rounding to nearest after `transform`.

    Args:
        transform: the change of basis.
        inputs: the group, before it.
        spec: how input and weights are rounded.
        x: rows before it [n, K].
        root: root of each row's share [n, 1].
        power: of the error.
    """
    return fit_error(replace(RTN().fit(in_basis(inputs, transform), spec), transform=transform), inputs, x, root, power)


def fit_error(found: GroupFit, inputs: GroupInputs, x: Tensor, root: Tensor, power: float = 2.0) -> float:
    """Mean over tokens of |error|^power, summed over the outputs of all linears, under a fit without correction and branches.

    Args:
        found: the fit.
        inputs: the group, before its transform.
        x: rows before it [n, K].
        root: root of each row's share [n, 1].
        power: above 0; 2 is the squared error.
    """
    turned = found.transform.input(x)
    used = turned if found.activation is None else found.activation.quantize(turned).to(x.dtype)
    shares, error = root.double().square(), 0.0
    for layer, w in inputs.weights.items():
        exact = found.transform.weight(w).to(x.dtype)
        # The constant of a shift is exact and on both sides.
        off = used @ found.weights[layer].to(x.dtype).T - turned @ exact.T
        error += float((off.abs().double() ** power * shares).sum())
    return error
