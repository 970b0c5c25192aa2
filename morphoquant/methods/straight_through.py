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
    reach = reach.clamp_min(_TINY)
    unit = torch.clamp(x / reach, -1, 1)
    return reach * (unit + (exact / reach - unit).detach())
