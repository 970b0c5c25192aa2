"""Weight of the tails."""

from torch import Tensor

from morphoquant.metrics.base import SHAPES


def kurtosis(x: Tensor) -> float:
    """m4 / m2^2 of all values: 3 for a normal distribution, 1.8 for a uniform one; NaN for a constant."""
    centred = x.double() - x.double().mean()
    return float(centred.pow(4).mean() / centred.square().mean().square())


SHAPES.add("kurtosis", kurtosis)
