"""Cosine that 95 % of the tokens reach."""

from torch import Tensor

from morphoquant.metrics.base import METRICS
from morphoquant.metrics.cosine import token_cosines


def cosine_p5(x: Tensor, y: Tensor) -> float:
    """5th percentile of the cosine over tokens, linearly interpolated."""
    return float(token_cosines(x, y).quantile(0.05))


METRICS.add("cosine_p5", cosine_p5)
