"""Bypass: large values of outlier channels leave the grid and pass in full precision (DABC's sparse correction)."""

from dataclasses import dataclass

import torch
from torch import Tensor

# The limit of a masked channel that passes whole.
EVERY_VALUE = -1.0


@dataclass(frozen=True, eq=False)
class Bypass:
    """Element-sparse correction of the quantised input: y = W (x_q + residual).

    Attributes:
        mask: outlier channels, bool [K].
        limit: magnitude above which a masked channel's value bypasses [K]; below 0 every value does, zeros included.

    Source: MorphoQuant, compensation term W_Q((X - X_Q) * m); the limit is the reference code's.
    """

    mask: Tensor
    limit: Tensor

    def bypassed(self, x: Tensor) -> Tensor:
        """True where a value of `x` [tokens, K] passes in full precision; never for NaN."""
        return x.abs() > torch.where(self.mask, self.limit, torch.inf)

    def share(self, x: Tensor, weights: Tensor) -> float:
        """Share of the values of `x` [tokens, K] that pass in full precision, tokens weighted by `weights` [tokens]."""
        return float(self.bypassed(x).double().mean(1) @ weights / weights.sum())

    def residual(self, x: Tensor, xq: Tensor) -> Tensor:
        """x - xq where `x` bypasses, zero elsewhere [tokens, K]."""
        return torch.where(self.bypassed(x), x - xq, torch.zeros_like(x))

    def apply(self, x: Tensor, xq: Tensor) -> Tensor:
        """xq + residual, exact: bypassed values are those of `x` to the last bit [tokens, K]."""
        return torch.where(self.bypassed(x), x, xq)

    def to(self, device: torch.device | str) -> "Bypass":
        """The same correction on another device."""
        return Bypass(self.mask.to(device), self.limit.to(device))
