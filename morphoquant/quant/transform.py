"""Transform: an exact change of basis between a layer's input and its weight, T(x) (W T^-1)^T + offset = x W^T.

The input and the weight are changed at the same linear, so a transform leaves the full-precision model unchanged whatever its
family. `folds` says whether the change of the input can be moved into what produces it, so that it costs nothing at run time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class Transform(Protocol):
    """Applied before quantisation. Without quantisation it changes nothing but rounding.

    Computed in float64 for float64 data and in float32 otherwise; results have the type of the data.
    """

    @property
    def mixes(self) -> bool:
        """A transformed channel depends on more than one channel, so that its statistics cannot be derived from theirs."""

    @property
    def folds(self) -> bool:
        """Can be moved into the layer that produces the input; else it runs online."""

    def input(self, x: Tensor) -> Tensor:
        """T(x) of the input [tokens, K] (any leading axes)."""

    def undo(self, x: Tensor) -> Tensor:
        """The input [tokens, K] whose transform is `x`."""

    def weight(self, w: Tensor) -> Tensor:
        """W T^-1 of the weight [out, K]."""

    def offset(self, w: Tensor) -> Tensor | None:
        """Constant that must be added to the output of the untransformed weight `w` [out]; None for none."""

    def macs(self, channels: int) -> float:
        """Multiply-accumulates a token at run time for an input of K channels; 0 where it folds."""

    def parameters(self, channels: int) -> float:
        """Numbers that must be stored for run time."""

    def to(self, device: torch.device | str) -> "Transform":
        """The same transform on another device."""


def working_type(x: Tensor) -> torch.dtype:
    """float64 for float64 data, else float32."""
    return torch.float64 if x.dtype == torch.float64 else torch.float32


@dataclass(frozen=True)
class Identity:
    """The transform that changes nothing."""

    mixes = False
    folds = True

    def input(self, x: Tensor) -> Tensor:
        return x

    def undo(self, x: Tensor) -> Tensor:
        return x

    def weight(self, w: Tensor) -> Tensor:
        return w

    def offset(self, w: Tensor) -> None:
        return None

    def macs(self, channels: int) -> float:
        return 0.0

    def parameters(self, channels: int) -> float:
        return 0.0

    def to(self, device: torch.device | str) -> "Identity":
        return self


@dataclass(frozen=True, eq=False)
class Composition:
    """Several transforms, the first one applied to the input first.

    Attributes:
        parts: the transforms; build it with `composed`, which drops identities.
    """

    parts: tuple[Transform, ...]

    @property
    def mixes(self) -> bool:
        return any(part.mixes for part in self.parts)

    @property
    def folds(self) -> bool:
        return all(part.folds for part in self.parts)

    def input(self, x: Tensor) -> Tensor:
        for part in self.parts:
            x = part.input(x)
        return x

    def undo(self, x: Tensor) -> Tensor:
        for part in reversed(self.parts):
            x = part.undo(x)
        return x

    def weight(self, w: Tensor) -> Tensor:
        for part in self.parts:
            w = part.weight(w)
        return w

    def offset(self, w: Tensor) -> Tensor | None:
        total = None
        for part in self.parts:
            here = part.offset(w)
            total = here if total is None else total if here is None else total + here
            w = part.weight(w)
        return total

    def macs(self, channels: int) -> float:
        # What stands behind a part that runs online cannot be folded past it.
        online = next((place for place, part in enumerate(self.parts) if not part.folds), len(self.parts))
        behind = sum(float(channels) for part in self.parts[online + 1 :] if part.folds)
        return sum(part.macs(channels) for part in self.parts) + behind

    def parameters(self, channels: int) -> float:
        return sum(part.parameters(channels) for part in self.parts)

    def to(self, device: torch.device | str) -> "Composition":
        return Composition(tuple(part.to(device) for part in self.parts))


def composed(parts: Sequence[Transform]) -> Transform:
    """The transforms one after the other, flat and without identities."""
    flat: list[Transform] = []
    for part in parts:
        flat += part.parts if isinstance(part, Composition) else () if isinstance(part, Identity) else (part,)
    return Identity() if not flat else flat[0] if len(flat) == 1 else Composition(tuple(flat))
