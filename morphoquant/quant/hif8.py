"""HiF8: an 8-bit float whose mantissa gets shorter towards large and small exponents; no scale at all.

Three mantissa bits for exponents -3 to 3, two to +-7, one to +-15, and powers of two alone from 2^-22 to 2^-16. The largest
number is 2^15, because the code above it is infinity; here larger values saturate. Ties round away from zero.

Source: Luo et al. 2024, Ascend HiFloat8 Format for Deep Learning (arXiv 2409.16626), section 2.
"""

import torch
from torch import Tensor

from morphoquant.quant.minifloat import binary_floor
from morphoquant.quant.scaled import ScaledFormat

LARGEST, SMALLEST = 2.0**15, 2.0**-22


def _scale(rows: Tensor) -> Tensor:
    return torch.ones((), device=rows.device)


def _element(x: Tensor) -> Tensor:
    size = x.abs().clamp_max_(LARGEST)
    power = binary_floor(size).clamp_min_(SMALLEST)
    away = torch.maximum(power, 1 / power)
    levels = 1.0 + (away <= 2.0**15) + 2 * (away <= 2.0**7) + 4 * (away <= 2.0**3)
    gap = power / levels
    return (size / gap).add_(0.5).floor_().mul_(gap).copysign_(x)


HIF8 = ScaledFormat(bits=8, block=None, scale=_scale, element=_element, beyond=LARGEST * 1.125)
