"""Transform: an exact change of basis between a layer's input and its weight, T(x) (W T^-1)^T = x W^T."""

from typing import Protocol

from torch import Tensor


class Transform(Protocol):
    """Applied before quantisation. Without quantisation it changes nothing but rounding."""

    def input(self, x: Tensor) -> Tensor:
        """T(x) of the input [tokens, K]."""

    def weight(self, w: Tensor) -> Tensor:
        """W T^-1 of the weight [out, K]."""


class Identity:
    """The transform that changes nothing."""

    def input(self, x: Tensor) -> Tensor:
        return x

    def weight(self, w: Tensor) -> Tensor:
        return w
