"""Mean squared error."""

from torch import Tensor

from morphoquant.metrics.base import METRICS


def mse(x: Tensor, y: Tensor) -> float:
    """mean (y - x)^2, in squared units of the activation."""
    return float((y.double() - x.double()).square().mean())


METRICS.add("mse", mse)
