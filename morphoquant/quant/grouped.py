"""Activation quantisers that treat some channels of a token unlike others: groups, wide channels, channels left out."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import pad

from morphoquant.quant.activation import TokenQuantizer


class _Rounding(Protocol):
    def quantize(self, x: Tensor) -> Tensor: ...

    def clipped(self, x: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class GroupQuantizer:
    """One symmetric scale for each token and group of neighbouring channels (dynamic); the last group may be short.

    Attributes:
        token: what rounds a group.
        group: channels in a group.
    """

    token: TokenQuantizer
    group: int

    def quantize(self, x: Tensor) -> Tensor:
        return self._each(x, self.token.quantize)

    def clipped(self, x: Tensor) -> Tensor:
        return self._each(x, self.token.clipped)

    def grid(self) -> None:
        return None

    def to(self, device: torch.device | str) -> "GroupQuantizer":
        return self

    def _each(self, x: Tensor, rounding) -> Tensor:
        groups = pad(x, (0, -x.shape[-1] % self.group)).unflatten(-1, (-1, self.group))
        return rounding(groups).flatten(-2)[..., : x.shape[-1]]


@dataclass(frozen=True)
class SplitQuantizer:
    """The last channels are rounded by one quantiser, all before them by another (dynamic).

    Attributes:
        rest: for the first channels.
        last: for the last ones.
        width: how many are the last.
    """

    rest: _Rounding
    last: _Rounding
    width: int

    def quantize(self, x: Tensor) -> Tensor:
        rest, last = self._parts(x)
        return torch.cat([self.rest.quantize(rest), self.last.quantize(last)], -1)

    def clipped(self, x: Tensor) -> Tensor:
        rest, last = self._parts(x)
        return torch.cat([self.rest.clipped(rest), self.last.clipped(last)], -1)

    def grid(self) -> None:
        return None

    def to(self, device: torch.device | str) -> "SplitQuantizer":
        return self

    def _parts(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x.split([x.shape[-1] - self.width, self.width], -1)


@dataclass(frozen=True, eq=False)
class WithoutChannels:
    """Rounds a token as if some of its channels were zero, so that they do not widen its scale (dynamic).

    A correction puts their values back.

    Attributes:
        token: what rounds the rest.
        mask: channels left out, bool [K].
    """

    token: TokenQuantizer
    mask: Tensor

    def quantize(self, x: Tensor) -> Tensor:
        return self.token.quantize(x.masked_fill(self.mask, 0.0))

    def clipped(self, x: Tensor) -> Tensor:
        return self.token.clipped(x.masked_fill(self.mask, 0.0))

    def grid(self) -> None:
        return None

    def to(self, device: torch.device | str) -> "WithoutChannels":
        return WithoutChannels(self.token, self.mask.to(device))
