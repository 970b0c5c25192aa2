"""The column loop of GPTQ."""

from dataclasses import dataclass

import torch
from torch import Tensor

from morphoquant.quant.grid import UniformGrid, symmetric_grid

# Columns updated at once; the rest of the weight is updated after each block.
BLOCK = 128


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


def rounded_by_hessian(w: Tensor, hessian: Tensor, how: Rounding) -> Tensor:
    """Weight [out, K] rounded column by column under `hessian` [K, K], float64; groups divide K.

    A column whose input was always zero is rounded to nearest and carries nothing.
    """
    channels = w.shape[1]
    dead = hessian.diagonal() <= 0
    size = how.group or channels
    ranked = torch.where(dead, 1.0, hessian.diagonal())
    order = ranked.argsort(descending=True, stable=True) if how.act_order else torch.arange(channels)
    factor = _factor(hessian, dead, order if how.act_order else None, how.damping)
    left = w.double()[:, order].clone()
    # One scale for each output and group, from the original weights unless columns come group by group.
    scales = [_grid(w[:, start : start + size], how.bits) for start in range(0, channels, size)]
    fresh = not how.act_order and how.group is not None
    found = torch.empty_like(left)
    for start in range(0, channels, BLOCK):
        end = min(start + BLOCK, channels)
        errors = torch.empty(len(w), end - start, dtype=torch.float64)
        for column in range(start, end):
            own = int(order[column]) // size
            if fresh and column % size == 0 and column:
                # Columns of this group beyond the block still lack the block's errors.
                ahead = left[:, column : column + size].clone()
                if column + size > end:
                    ahead[:, end - column :] -= errors[:, : column - start] @ factor[start:column, end : column + size]
                scales[own] = _grid(ahead.to(w.dtype), how.bits)
            level = scales[own]
            found[:, column] = level.quantize(left[:, column : column + 1].to(w.dtype)).double()[:, 0]
            off = (left[:, column] - found[:, column]) / factor[column, column]
            left[:, column + 1 : end] -= off[:, None] * factor[column, column + 1 : end]
            errors[:, column - start] = off
        left[:, end:] -= errors @ factor[start:end, end:]
    result = torch.empty_like(found)
    result[:, order] = found
    return result.to(w.dtype)


def _grid(w: Tensor, bits: int) -> UniformGrid:
    return symmetric_grid(w.abs().amax(1, keepdim=True), bits)


def _factor(hessian: Tensor, dead: Tensor, order: Tensor | None, damping: float) -> Tensor:
    """Upper Cholesky factor U of the inverse, H^-1 = U^T U, with ones for `dead` and in `order` if there is one.

    Damping is raised until there is a factor. Of wide inputs each matrix takes gigabytes: two are held beside the Hessian.
    """
    for power in range(8):
        damped = hessian.clone()
        damped.diagonal()[dead] = 1.0
        if order is not None:
            damped = damped[order][:, order]
        damped.diagonal().add_(damped.diagonal().mean() * damping * 10**power)
        lower, failed = torch.linalg.cholesky_ex(damped)
        del damped
        if not int(failed):
            inverse = torch.cholesky_inverse(lower)
            del lower
            upper, failed = torch.linalg.cholesky_ex(inverse, upper=True)
            if not int(failed):
                return upper
    raise ArithmeticError("the Hessian of a group has no Cholesky factor even with its own diagonal added many times")
