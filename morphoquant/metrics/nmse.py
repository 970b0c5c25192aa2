"""Normalised mean squared error."""

import torch
from torch import Tensor

from morphoquant.metrics.base import METRICS


def nmse(x: Tensor, y: Tensor) -> float:
    """sum (y - x)^2 / sum x^2, a ratio of sums; 0 without error, inf for an error on a zero signal."""
    x = x.double()
    error = (y.double() - x).square().sum()
    return 0.0 if error == 0 else float(error / x.square().sum().clamp_min(torch.finfo(torch.float64).tiny))


METRICS.add("nmse", nmse)
