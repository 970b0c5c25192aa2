"""MXFP4: E2M1 numbers, 32 of them under one power of two.

    s = 2^(floor(log2 max|x|) - 2)

The scale brings the largest magnitude into [4, 8) and E2M1 ends at 6, so values in (7, 8) s are clipped.

Source: OCP Microscaling Formats specification 1.0, sections 5.2 and 6.3.
"""

from torch import Tensor

from morphoquant.quant.minifloat import E2M1, binary_floor
from morphoquant.quant.scaled import ScaledFormat

BLOCK = 32
# E8M0 reaches down to 2^-127; one binade less keeps every scale a normal float32.
_LOWEST = 2.0**-126


def _scale(blocks: Tensor) -> Tensor:
    return (binary_floor(blocks.abs().amax(-1, keepdim=True)) / 4).clamp_min(_LOWEST)


MXFP4 = ScaledFormat(bits=4, block=BLOCK, scale=_scale, element=E2M1.round, beyond=E2M1.beyond)
