"""Cosine of each token to its full-precision self."""

import torch
from torch import Tensor


def cosines_of(product: Tensor, left_sq: Tensor, right_sq: Tensor) -> Tensor:
    """Cosines from inner products and squared norms, all float64 [tokens]: 1 where both are zero, 0 where one is."""
    left, right = left_sq.sqrt(), right_sq.sqrt()
    cosines = product / (left * right).clamp_min(torch.finfo(torch.float64).tiny)
    return torch.where((left == 0) & (right == 0), torch.ones_like(cosines), cosines.clamp(-1, 1))
