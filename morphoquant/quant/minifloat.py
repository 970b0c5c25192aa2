"""MiniFloat: floating-point numbers of 4 to 8 bits, without infinities: what lies beyond the largest saturates.

Source: Micikevicius et al. 2022, FP8 Formats for Deep Learning (arXiv 2209.05433), table 1, for E4M3 and E5M2; OCP
Microscaling Formats specification 1.0, section 5.3.3, for E2M1.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

_EXPONENT_BITS = 0x7F800000


@dataclass(frozen=True)
class MiniFloat:
    """Sign, exponent and mantissa; below the smallest normal number levels stay evenly spaced down to zero.

    Attributes:
        mantissa: explicit mantissa bits.
        lowest: exponent of the smallest normal number.
        largest: largest finite magnitude.
    """

    mantissa: int
    lowest: int
    largest: float

    def round(self, x: Tensor) -> Tensor:
        """The nearest number to each value of `x` (float32), ties to the even mantissa; NaN stays NaN."""
        x = x.clamp(-self.largest, self.largest)
        gap = binary_floor(x).clamp_min_(2.0**self.lowest).mul_(2.0**-self.mantissa)
        return (x / gap).round_().mul_(gap)

    @property
    def beyond(self) -> float:
        """Half a gap above the largest number: what lies further out is clipped rather than rounded."""
        return self.largest + 2.0 ** (math.frexp(self.largest)[1] - 2 - self.mantissa)


E2M1 = MiniFloat(mantissa=1, lowest=0, largest=6.0)
E4M3 = MiniFloat(mantissa=3, lowest=-6, largest=448.0)
E5M2 = MiniFloat(mantissa=2, lowest=-14, largest=57344.0)
# Unsigned; the scale of HiF4. It has no subnormal numbers: clamp what is rounded to at least 2^-48.
E6M2 = MiniFloat(mantissa=2, lowest=-48, largest=49152.0)


def binary_floor(x: Tensor) -> Tensor:
    """The power of two at or below |x| (float32), exact: the mantissa's bits cleared. 0 for 0 and subnormal float32."""
    return (x.view(torch.int32) & _EXPONENT_BITS).view(torch.float32)
