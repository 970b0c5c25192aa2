"""The column loop of GPTQ, and the factor of its Hessian.

Of wide inputs one matrix [K, K] takes gigabytes (2.9 GB for 18944 channels), so that there is one alone: the Hessian is factored,
inverted and factored again where it stands.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from morphoquant.quant.grid import UniformGrid, symmetric_grid

# Columns updated at once; the rest of the weight is updated after each block.
BLOCK = 128
# Rows of a matrix that are mirrored at once.
_STRIP = 512


@dataclass(frozen=True)
class Rounding:
    """How columns are rounded.

    Attributes:
        bits: of the integer grid.
        group: input channels that share a scale, None for one scale an output channel.
        damping: share of the mean diagonal of H added to it.
        act_order: columns by falling diagonal of H.
    """

    bits: int
    group: int | None
    damping: float
    act_order: bool


@dataclass(frozen=True, eq=False)
class Carrying:
    """What the error of each column does to the columns after it, of one input.

    Attributes:
        order: columns as they are taken, int64 [K]; absent: as they stand.
        factor: upper Cholesky factor U of the inverse Hessian in that order, H^-1 = U^T U, float64 [K, K].
    """

    order: Tensor | None
    factor: Tensor

    @classmethod
    def over(cls, rows: Tensor, how: Rounding) -> "Carrying":
        """By the Hessian H = 2 X^T X of the rows X.

        A column that is zero in all of them carries nothing. Damping is raised until there is a factor.

        Args:
            rows: scaled by the root of their share, float64 [n, K].
            how: of damping and order.
        """
        order = None
        if how.act_order:
            power = rows.square().sum(0)
            order = torch.where(power <= 0, 1.0, 2 * power).argsort(descending=True, stable=True)
            rows = rows[:, order]
        for power in range(8):
            hessian = 2 * rows.T @ rows
            diagonal = hessian.diagonal()
            diagonal[diagonal <= 0] = 1.0
            diagonal.add_(diagonal.mean() * how.damping * 10**power)
            factor = _inverse_factor(hessian)
            if factor is not None:
                return cls(order, factor)
        raise ArithmeticError("the Hessian of a group has no Cholesky factor even with its own diagonal added many times")


def carried(w: Tensor, carrying: Carrying, how: Rounding) -> Tensor:
    """Weight [out, K] rounded column by column, each column's error made up for by those after it; groups divide K."""
    channels = w.shape[1]
    size, order, factor = how.group or channels, carrying.order, carrying.factor
    left = (w if order is None else w[:, order]).double()
    # One scale for each output and group, from the original weights unless columns come group by group.
    scales = [_grid(w[:, start : start + size], how.bits) for start in range(0, channels, size)]
    fresh = order is None and how.group is not None
    for start in range(0, channels, BLOCK):
        end = min(start + BLOCK, channels)
        errors = torch.empty(len(w), end - start, dtype=torch.float64)
        for column in range(start, end):
            own = (column if order is None else int(order[column])) // size
            if fresh and column % size == 0 and column:
                # Columns of this group beyond the block still lack the block's errors.
                ahead = left[:, column : column + size].clone()
                if column + size > end:
                    ahead[:, end - column :] -= errors[:, : column - start] @ factor[start:column, end : column + size]
                scales[own] = _grid(ahead.to(w.dtype), how.bits)
            found = scales[own].quantize(left[:, column : column + 1].to(w.dtype)).double()[:, 0]
            off = (left[:, column] - found) / factor[column, column]
            left[:, column] = found
            left[:, column + 1 : end] -= off[:, None] * factor[column, column + 1 : end]
            errors[:, column - start] = off
        left[:, end:] -= errors @ factor[start:end, end:]
    if order is None:
        return left.to(w.dtype)
    result = torch.empty_like(w)
    result[:, order] = left.to(w.dtype)
    return result


def _grid(w: Tensor, bits: int) -> UniformGrid:
    return symmetric_grid(w.abs().amax(1, keepdim=True), bits)


def _inverse_factor(hessian: Tensor) -> Tensor | None:
    """Upper Cholesky factor of the inverse, in the memory of `hessian`, which is lost; absent where there is none."""
    _mirror(hessian)
    # LAPACK works in place where columns are contiguous: those of the transposed, which is the same matrix.
    turned, failed = hessian.mT, torch.empty((), dtype=torch.int32)
    torch.linalg.cholesky_ex(turned, out=(turned, failed))
    if int(failed):
        return None
    torch.cholesky_inverse(turned, out=turned)
    torch.linalg.cholesky_ex(turned, upper=True, out=(turned, failed))
    return None if int(failed) else turned


def _mirror(square: Tensor) -> None:
    """Makes a matrix symmetric to the last bit: what is above its diagonal becomes what is below."""
    for start in range(0, len(square), _STRIP):
        end = start + _STRIP
        corner = square[start:end, start:end]
        corner.copy_(corner.tril() + corner.tril(-1).mT)
        square[start:end, end:] = square[end:, start:end].mT
