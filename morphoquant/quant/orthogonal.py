"""Orthogonal: an orthogonal matrix of no structure, and the step that moves along such matrices."""

from dataclasses import dataclass

import torch
from torch import Tensor

from morphoquant.quant.transform import working_type


@dataclass(frozen=True, eq=False)
class Orthogonal:
    """x R and W R.

    Attributes:
        matrix: R, orthogonal, float64 [K, K].
    """

    matrix: Tensor

    mixes = True
    folds = False

    def input(self, x: Tensor) -> Tensor:
        return self._times(x, self.matrix)

    def undo(self, x: Tensor) -> Tensor:
        return self._times(x, self.matrix.T)

    def weight(self, w: Tensor) -> Tensor:
        return self.to(w.device).input(w.double()).to(w.dtype)

    def offset(self, w: Tensor) -> None:
        return None

    def macs(self, channels: int) -> float:
        return float(channels) * channels

    def parameters(self, channels: int) -> float:
        return float(channels) * channels

    def to(self, device: torch.device | str) -> "Orthogonal":
        return Orthogonal(self.matrix.to(device))

    def _times(self, x: Tensor, matrix: Tensor) -> Tensor:
        kind = working_type(x)
        return (x.to(kind) @ matrix.to(kind)).to(x.dtype)


def cayley_step(matrix: Tensor, gradient: Tensor, angle: float) -> Tensor:
    """The orthogonal matrix a step downhill.

        R <- (I + t/2 Y)^-1 (I - t/2 Y) R        Y = G R^T - R G^T

    Args:
        matrix: R, orthogonal, float64 [K, K].
        gradient: G of a function of R with respect to its entries [K, K].
        angle: how far all directions are turned, root mean square, in radians for small ones; it sets t.

    Returns:
        The new R, float64 [K, K]; the very `matrix` where Y is zero or not finite, so that there is no way down.

    Source: Li et al. 2020, Efficient Riemannian optimization on the Stiefel manifold via the Cayley transform (arXiv 2002.01113);
        for square R their direction is half this Y. They solve by iteration, here it is exact, so that R stays orthogonal to
        rounding.
    """
    skew = gradient.double() @ matrix.T
    skew = skew - skew.T
    size = float(skew.norm()) / len(matrix) ** 0.5
    if not 0 < size < torch.inf:
        return matrix
    turned = torch.linalg.solve(
        torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device) + angle / (2 * size) * skew, matrix
    )
    # (I + S)^-1 (I - S) = 2 (I + S)^-1 - I
    return 2 * turned - matrix
