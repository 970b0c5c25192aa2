"""Cosine of the token that lost its direction most."""

from torch import Tensor

from morphoquant.metrics.base import METRICS
from morphoquant.metrics.cosine import token_cosines


def cosine_min(x: Tensor, y: Tensor) -> float:
    """Smallest cosine over tokens."""
    return float(token_cosines(x, y).min())


METRICS.add("cosine_min", cosine_min)
