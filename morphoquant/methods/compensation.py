"""CMC: the low-rank branch that makes up for one modality's weight where another's is stored.

    D = W_wanted - W_stored        C = sum_t u_t u_t^T = P L P^T        T = L^(1/2) P^T
    T D^T = U S V^T                A = T^-1 U_r                         R = S_r V_r^T = U_r^T T D^T

No branch of rank r leaves a smaller error |u (D^T - A R)|_F over the rows u; what it leaves is the root of the sum of the squared
singular values behind the r-th.

Source: MASQuant (arXiv 2603.04800), its cross-modal compensation. Directions that no row has are kept at a small eigenvalue, so
that T can be inverted with fewer rows than channels too; the published code inverts blindly.
"""

import torch
from torch import Tensor

from morphoquant.quant.low_rank import LowRank

# Least eigenvalue of the inputs, as a share of the largest.
FLOOR = 1e-8


def whitening(rows: Tensor) -> tuple[Tensor, Tensor]:
    """T and its inverse [K, K], float64, of rows [n, K] that are scaled by the root of their share; the identity without any."""
    wide = rows.double()
    values, vectors = torch.linalg.eigh(wide.T @ wide)
    top = float(values.amax())
    if top <= 0:
        same = torch.eye(len(values), dtype=torch.float64)
        return same, same
    root = values.clamp_min(FLOOR * top).sqrt()
    return root[:, None] * vectors.T, vectors / root


def compensation(wanted: Tensor, stored: Tensor, basis: tuple[Tensor, Tensor], rank: int) -> LowRank:
    """The branch that brings `stored` nearest to `wanted`, both [out, K].

    Args:
        wanted: weight in full precision, in the basis of the rows that `basis` was made of.
        stored: the quantised weight that the rows are multiplied with.
        basis: from `whitening`.
        rank: of the branch, at most min(out, K).
    """
    whiten, back = basis
    off = whiten @ (wanted.detach().cpu().double() - stored.detach().cpu().double()).T
    left = _left_vectors(off, rank)
    inner, outer = back @ left, left.T @ off
    # The singular values are shared out, so that neither factor is far larger than the other.
    balance = (outer.norm(dim=1) / inner.norm(dim=0)).clamp(1e-12, 1e12).sqrt()
    return LowRank((inner * balance).to(wanted.dtype), (outer / balance[:, None]).to(wanted.dtype))


def _left_vectors(matrix: Tensor, rank: int) -> Tensor:
    """The left singular vectors of the largest singular values, by falling value, [rows, rank], by M M^T or M^T M,
    which takes a fraction of the time of a whole decomposition."""
    rows, columns = matrix.shape
    if rows <= columns:
        return torch.linalg.eigh(matrix @ matrix.T).eigenvectors[:, -rank:].flip(1)
    right = torch.linalg.eigh(matrix.T @ matrix).eigenvectors
    found, _ = torch.linalg.qr(matrix @ right[:, -rank:].flip(1))
    return found
