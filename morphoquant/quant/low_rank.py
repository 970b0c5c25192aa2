"""LowRank: a second, thin product beside the quantised one."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class LowRank:
    """Adds u A R to the output, for the transformed input u as it is before it is quantised.

    Attributes:
        inner: A [K, rank].
        outer: R [rank, out].
    """

    inner: Tensor
    outer: Tensor

    @property
    def rank(self) -> int:
        """Width between the two factors."""
        return self.inner.shape[1]

    def output(self, u: Tensor) -> Tensor:
        """u A R of the transformed input [rows, K] (any leading axes)."""
        return (u @ self.inner.to(u.dtype)) @ self.outer.to(u.dtype)

    def to(self, device: torch.device | str) -> "LowRank":
        """The same on another device."""
        return LowRank(self.inner.to(device), self.outer.to(device))
