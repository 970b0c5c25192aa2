"""Rounding that gradients pass through, for methods that learn by descent."""

import torch
from torch import Tensor

# Least magnitude that a range is divided by.
_TINY = 1e-12


def straight_through(x: Tensor, exact: Tensor, reach: Tensor | None = None) -> Tensor:
    """`exact` in value, differentiable in `x` and `reach`.

    With u = clamp(x / reach, -1, 1) and a quantiser that scales with its range, Q(x) = reach Q(u), and the derivative of Q(u) is
    taken to be 1: values inside the range pass their gradient on, those beyond it pass it to the range, and inside it the
    range gets Q(u) - u.

    Args:
        x: what was rounded.
        exact: x rounded, same shape.
        reach: largest magnitude that the grid spans, broadcasts against `x`; None for the gradient of `x` alone.

    Source: Bengio et al. 2013 (arXiv 1308.3432) for the estimator; Esser et al. 2020, LSQ (arXiv 1902.08153), equation 3, for the
        range.
    """
    if reach is None:
        return x + (exact - x).detach()
    return _Ranged.apply(x, exact, reach.clamp_min(_TINY))


class _Ranged(torch.autograd.Function):
    """Written out, since on whole weights what autograd would make of the definition is twice the passes over memory."""

    @staticmethod
    def forward(ctx, x: Tensor, exact: Tensor, reach: Tensor) -> Tensor:
        ctx.save_for_backward(x, exact, reach)
        return exact.clone()

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, Tensor]:
        x, exact, reach = ctx.saved_tensors
        passed = gradient * (x.abs() <= reach)
        # Inside the range Q(u) - u = (exact - x) / reach, beyond it exact / reach.
        lost = (gradient * exact).addcmul_(passed, x, value=-1)
        return passed, None, lost.sum_to_size(reach.shape).div_(reach)
