"""Mean absolute error."""

from torch import Tensor

from morphoquant.metrics.base import METRICS


def mae(x: Tensor, y: Tensor) -> float:
    """mean |y - x|, in units of the activation."""
    return float((y.double() - x.double()).abs().mean())


METRICS.add("mae", mae)
