"""Normalised mean squared error."""

import math

from torch import Tensor

from morphoquant.metrics.base import METRICS


def nmse(x: Tensor, y: Tensor) -> float:
    """sum (y - x)^2 / sum x^2, a ratio of sums; 0 without error, inf for an error on a zero signal."""
    x = x.double()
    error, signal = float((y.double() - x).square().sum()), float(x.square().sum())
    if error == 0:
        return 0.0
    return error / signal if signal else math.inf


METRICS.add("nmse", nmse)
