"""NVFP4: E2M1 numbers, 16 of them under one E4M3 scale, and a float32 scale above those.

    s = g E4M3(max_block|x| / (6 g))        g = max|x| / (6 * 448)

g spreads the block scales over the range of E4M3, which ends at 2^-9 below: without it blocks of small numbers, such as
weights of 0.01, share one coarse scale. No block is given the scale 0.

Source: NVIDIA 2025, Pretraining Large Language Models with NVFP4 (arXiv 2509.25149), appendix on quantisation. MorphoQuant's
code has no g.
"""

from typing import Literal

import torch
from torch import Tensor

from morphoquant.quant.minifloat import E2M1, E4M3
from morphoquant.quant.scaled import TINY, ScaledFormat

BLOCK = 16
_SMALLEST = 2.0**-9


def nvfp4(above: Literal["tensor", "row", "none"] = "tensor") -> ScaledFormat:
    """The format.

    Args:
        above: what shares g. "tensor" is the published format and suits weights. "row" is for activations: a token's
            result then does not depend on the tokens beside it, and g is still one factor of the product. "none" is g = 1.
    """

    def scale(blocks: Tensor) -> Tensor:
        largest = blocks.abs().amax(-1, keepdim=True)
        if above == "none":
            g = torch.ones((), device=blocks.device)
        else:
            g = (largest.amax() if above == "tensor" else largest.amax(-2, keepdim=True)).clamp_min(TINY)
            g = g / (E2M1.largest * E4M3.largest)
        return E4M3.round(largest / g / E2M1.largest).clamp_min_(_SMALLEST) * g

    return ScaledFormat(bits=4, block=BLOCK, scale=scale, element=E2M1.round, beyond=E2M1.beyond)
