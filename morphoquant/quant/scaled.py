"""ScaledFormat: numbers of few bits that share scales along the reduction axis; scales follow the data, so nothing is calibrated.

    Q(x) = s E(x / s)        s the scale of the value's block, E rounding to the levels of the element

The last axis is cut into blocks; where it does not divide, the last block is filled with zeros, which change no scale.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import pad

# Least magnitude a scale is taken from, so that blocks of zeros give zeros.
TINY = 1e-30


@dataclass(frozen=True)
class ScaledFormat:
    """A number format for weights [out, K] and activations [tokens, K], blocks along K.

    Attributes:
        bits: of an element.
        block: elements that are scaled together; None for the whole row.
        scale: scale of the blocks [..., blocks, block], float32, broadcasts against them.
        element: rounds scaled values to the levels of the element, same shape.
        beyond: scaled magnitude above which a value is clipped: half a gap above the largest level.
    """

    bits: int
    block: int | None
    scale: Callable[[Tensor], Tensor]
    element: Callable[[Tensor], Tensor]
    beyond: float

    def quantize(self, x: Tensor) -> Tensor:
        """Quantised values, same shape and type. NaN stays NaN, and with infinities may take its block along."""
        blocks = self._blocks(x)
        scale = self.scale(blocks)
        return self.element(blocks / scale).mul_(scale).flatten(-2)[..., : x.shape[-1]].to(x.dtype)

    def clipped(self, x: Tensor) -> Tensor:
        """True where a value lies beyond the largest level of its block by more than half a gap."""
        blocks = self._blocks(x)
        return (blocks.abs() > self.scale(blocks) * self.beyond).flatten(-2)[..., : x.shape[-1]]

    def _blocks(self, x: Tensor) -> Tensor:
        x = x.float()
        size = self.block or x.shape[-1]
        return pad(x, (0, -x.shape[-1] % size)).unflatten(-1, (-1, size))
