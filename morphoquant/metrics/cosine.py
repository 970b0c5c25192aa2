"""Cosine of each token to its full-precision self, averaged over tokens."""

import torch
from torch import Tensor

from morphoquant.metrics.base import METRICS


def token_cosines(x: Tensor, y: Tensor) -> Tensor:
    """Cosine of each row of `x` to the same row of `y` [tokens]: 1 where both are zero, 0 where one is."""
    x, y = x.double(), y.double()
    return cosines_of((x * y).sum(-1), x.square().sum(-1), y.square().sum(-1))


def cosines_of(product: Tensor, left_sq: Tensor, right_sq: Tensor) -> Tensor:
    """Cosines from inner products and squared norms, all float64 [tokens]."""
    left, right = left_sq.sqrt(), right_sq.sqrt()
    cosines = product / (left * right).clamp_min(torch.finfo(torch.float64).tiny)
    return torch.where((left == 0) & (right == 0), torch.ones_like(cosines), cosines.clamp(-1, 1))


def cosine(x: Tensor, y: Tensor) -> float:
    """Mean cosine over tokens, -1 to 1."""
    return float(token_cosines(x, y).mean())


METRICS.add("cosine", cosine)
