"""Rotation: a randomised Hadamard transform of the input, undone in the weight."""

from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from torch import Tensor

from morphoquant.quant.hadamard import factors, hadamard
from morphoquant.quant.transform import working_type

# Powers of two are applied as dense factors of at most this order: fewer passes over the data than butterflies.
_CHUNK = 64


@dataclass(frozen=True, eq=False)
class Rotation:
    """x D H and W D H, with random signs D and an orthogonal H: spreads a large channel over all of them.

    Attributes:
        signs: diagonal of D, 1 or -1, float64 [K].
        blocks: H is the Kronecker product of these orthogonal matrices, float64; where their sizes multiply to a part of K, H
            repeats the product along its diagonal.
        cost: multiply-accumulates a channel.
    """

    signs: Tensor
    blocks: tuple[Tensor, ...]
    cost: float

    mixes = True
    folds = False

    def input(self, x: Tensor) -> Tensor:
        kind = working_type(x)
        return self._turned(x.to(kind) * self.signs.to(kind), [block.to(kind) for block in self.blocks]).to(x.dtype)

    def undo(self, x: Tensor) -> Tensor:
        kind = working_type(x)
        return (self._turned(x.to(kind), [block.T.to(kind) for block in self.blocks]) * self.signs.to(kind)).to(x.dtype)

    def weight(self, w: Tensor) -> Tensor:
        at = self.to(w.device)
        return at.input(w.double()).to(w.dtype)

    def offset(self, w: Tensor) -> None:
        return None

    def macs(self, channels: int) -> float:
        return self.cost * channels

    def parameters(self, channels: int) -> float:
        """The signs, and the dense factors that are not powers of two."""
        return channels + float(sum(block.numel() for block in self.blocks if block.shape[0] & (block.shape[0] - 1)))

    def to(self, device: torch.device | str) -> "Rotation":
        return Rotation(self.signs.to(device), tuple(block.to(device) for block in self.blocks), self.cost)

    def _turned(self, x: Tensor, blocks: list[Tensor]) -> Tensor:
        shape, right = x.shape, prod(block.shape[0] for block in blocks)
        for block in blocks:
            size = block.shape[0]
            right //= size
            if right == 1:
                x = x.reshape(-1, size) @ block
            else:
                x = torch.matmul(block.T, x.reshape(-1, size, right))
        return x.reshape(shape)


def random_rotation(channels: int, seed: int) -> Rotation:
    """The randomised Hadamard transform of QuaRot.

    H is a Hadamard matrix of order m 2^p where one is built (`quant.hadamard`). Where none is, H is block-diagonal with blocks
    of the largest order that divides `channels`; at an odd width only signs are left.

    Args:
        channels: K.
        seed: of the signs.

    Source: Ashkboos et al. 2024, QuaRot (arXiv 2404.00456); Tseng et al. 2024, QuIP#, for the random signs.
    """
    signs = torch.from_numpy(np.random.default_rng([seed, channels]).choice([-1.0, 1.0], channels))
    dense, power = factors(channels)
    blocks = [_unit(dense)] if dense > 1 else []
    rest = power
    while rest > 1:
        size = min(rest, _CHUNK)
        blocks.append(_unit(size))
        rest //= size
    # A power of two costs one addition a channel and doubling, whichever way it is carried out here.
    return Rotation(signs, tuple(blocks), float((dense if dense > 1 else 0) + power.bit_length() - 1))


def _unit(order: int) -> Tensor:
    return torch.from_numpy(hadamard(order) / np.sqrt(order))
