"""HiF4: quarters from 0 to 1.75 with a sign, 64 of them under one scale, each 8 and each 4 of those under a further bit.

    S = E6M2(max_64|x| / 7)    e2 = [max_8|x| >= 4 S]    e3 = [max_4|x| >= 2 S 2^e2]
    Q(x) = S 2^(e2 + e3) sign(x) min(floor(4 |x| / (S 2^(e2 + e3)) + 1/2) / 4, 1.75)

Rounding twice may change S, because its levels are coarse and the largest value then need not lie on 7 S.

Source: Luo et al. 2026, HiFloat4 Format for Language Model Inference (arXiv 2602.11287); the rules of rounding are those of
MorphoQuant's code, except that it multiplies by 1/7 in bfloat16.
"""

import torch
from torch import Tensor

from morphoquant.quant.minifloat import E6M2
from morphoquant.quant.scaled import ScaledFormat

BLOCK, MIDDLE, SMALL = 64, 8, 4
LARGEST = 1.75


def _scale(blocks: Tensor) -> Tensor:
    fours = blocks.abs().unflatten(-1, (-1, MIDDLE // SMALL, SMALL)).amax(-1, keepdim=True)
    eights = fours.amax(-2, keepdim=True)
    scale = E6M2.round((eights.amax(-3, keepdim=True) / 7).clamp_min(2.0**E6M2.lowest))
    scale = scale * torch.where(eights >= 4 * scale, 2.0, 1.0)
    scale = scale * torch.where(fours >= 2 * scale, 2.0, 1.0)
    return scale.expand(*scale.shape[:-1], SMALL).flatten(-3)


def _element(x: Tensor) -> Tensor:
    return x.abs().mul_(4).add_(0.5).floor_().div_(4).clamp_max_(LARGEST).copysign_(x)


HIF4 = ScaledFormat(bits=4, block=BLOCK, scale=_scale, element=_element, beyond=LARGEST + 1 / 8)
