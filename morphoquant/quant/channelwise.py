"""Transforms that treat each channel alone: Scale, Shift and Permutation."""

from dataclasses import dataclass

import torch
from torch import Tensor

from morphoquant.quant.transform import working_type


@dataclass(frozen=True, eq=False)
class Scale:
    """x / s and W * s: moves the range of a channel from the input into the weight.

    Attributes:
        scale: s of each channel, above 0, float64 [K].
        folds: the producer can divide for it: a norm, or a linear with nothing but an element-wise product between. Where it
            cannot, every value is multiplied once at run time.
    """

    scale: Tensor
    folds: bool = True

    mixes = False

    def input(self, x: Tensor) -> Tensor:
        return (x.to(working_type(x)) / self.scale.to(working_type(x))).to(x.dtype)

    def undo(self, x: Tensor) -> Tensor:
        return (x.to(working_type(x)) * self.scale.to(working_type(x))).to(x.dtype)

    def weight(self, w: Tensor) -> Tensor:
        return (w.double() * self.scale.to(w.device)).to(w.dtype)

    def offset(self, w: Tensor) -> None:
        return None

    def macs(self, channels: int) -> float:
        return 0.0 if self.folds else float(channels)

    def parameters(self, channels: int) -> float:
        return 0.0 if self.folds else float(channels)

    def to(self, device: torch.device | str) -> "Scale":
        return Scale(self.scale.to(device), self.folds)


@dataclass(frozen=True, eq=False)
class Shift:
    """x - z, with the constant z W^T added to the output: centres the range of a channel.

    Attributes:
        shift: z of each channel, float64 [K].
        folds: the producer has a bias that can take it. An RMSNorm has none.
    """

    shift: Tensor
    folds: bool = False

    mixes = False

    def input(self, x: Tensor) -> Tensor:
        return (x.to(working_type(x)) - self.shift.to(working_type(x))).to(x.dtype)

    def undo(self, x: Tensor) -> Tensor:
        return (x.to(working_type(x)) + self.shift.to(working_type(x))).to(x.dtype)

    def weight(self, w: Tensor) -> Tensor:
        return w

    def offset(self, w: Tensor) -> Tensor:
        return w.double() @ self.shift.to(w.device)

    def macs(self, channels: int) -> float:
        return 0.0 if self.folds else float(channels)

    def parameters(self, channels: int) -> float:
        return 0.0 if self.folds else float(channels)

    def to(self, device: torch.device | str) -> "Shift":
        return Shift(self.shift.to(device), self.folds)


@dataclass(frozen=True, eq=False)
class Permutation:
    """Channels in another order, so that those of a kind stand together.

    Attributes:
        order: old place of each new channel, int64 [K].
    """

    order: Tensor

    mixes = False
    folds = False

    def input(self, x: Tensor) -> Tensor:
        return x[..., self.order.to(x.device)]

    def undo(self, x: Tensor) -> Tensor:
        return x[..., self.order.argsort().to(x.device)]

    def weight(self, w: Tensor) -> Tensor:
        return w[:, self.order.to(w.device)]

    def offset(self, w: Tensor) -> None:
        return None

    def macs(self, channels: int) -> float:
        """None: a gather, which moves values and multiplies nothing."""
        return 0.0

    def parameters(self, channels: int) -> float:
        return float(channels)

    def to(self, device: torch.device | str) -> "Permutation":
        return Permutation(self.order.to(device))
