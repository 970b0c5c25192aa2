"""Activation quantisers: how the rows of a layer's input are rounded.

Frozen values with one interface; a method returns one, `quant/linear.py` applies it.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from morphoquant.quant.grid import UniformGrid, symmetric_grid


class ActivationQuantizer(Protocol):
    """Rounds activations [tokens, channels] (any leading axes)."""

    def quantize(self, x: Tensor) -> Tensor:
        """Quantised values, same shape."""

    def clipped(self, x: Tensor) -> Tensor:
        """True where a value lies beyond the grid by more than half a step."""

    def grid(self) -> dict[str, np.ndarray] | None:
        """Columns low, high, step, zero_point, code_low, code_high of the grids table, one entry a channel; None if dynamic."""

    def to(self, device: torch.device | str) -> "ActivationQuantizer":
        """The same quantiser on another device."""


@dataclass(frozen=True, eq=False)
class StaticQuantizer:
    """A grid fixed at calibration, one a channel or one for all.

    Attributes:
        levels: the grid; its step is [K] or a single number.
        low: lower edge the grid was placed on [K]; the outermost level may differ by rounding of the zero point.
        high: upper edge [K].
    """

    levels: UniformGrid
    low: Tensor
    high: Tensor

    def quantize(self, x: Tensor) -> Tensor:
        return self.levels.quantize(x)

    def clipped(self, x: Tensor) -> Tensor:
        return self.levels.clipped(x)

    def grid(self) -> dict[str, np.ndarray]:
        channels = self.low.shape
        return {
            "low": self.low.double().cpu().numpy(),
            "high": self.high.double().cpu().numpy(),
            "step": self.levels.step.double().expand(channels).cpu().numpy(),
            "zero_point": self.levels.zero_point.double().expand(channels).cpu().numpy(),
            "code_low": np.full(channels, self.levels.code_low, np.int32),
            "code_high": np.full(channels, self.levels.code_high, np.int32),
        }

    def to(self, device: torch.device | str) -> "StaticQuantizer":
        return StaticQuantizer(self.levels.to(device), self.low.to(device), self.high.to(device))


@dataclass(frozen=True)
class TokenQuantizer:
    """One symmetric scale a token, computed from the token itself (dynamic).

    Attributes:
        bits: bit-width.
        clip: share of the token's largest magnitude that the grid spans.
        restricted: leaves out the lowest code.
    """

    bits: int
    clip: float = 1.0
    restricted: bool = False

    def quantize(self, x: Tensor) -> Tensor:
        return self._levels(x).quantize(x)

    def clipped(self, x: Tensor) -> Tensor:
        return self._levels(x).clipped(x)

    def grid(self) -> None:
        return None

    def to(self, device: torch.device | str) -> "TokenQuantizer":
        return self

    def _levels(self, x: Tensor) -> UniformGrid:
        return symmetric_grid(x.abs().amax(-1, keepdim=True) * self.clip, self.bits, self.restricted)
