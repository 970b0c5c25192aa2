"""NF4: sixteen levels at the quantiles of a normal distribution, one scale for 64 weights.

Source: Dettmers et al. 2023, QLoRA, equation 4 and appendix E.
"""

import torch
from torch import Tensor

from morphoquant.quant.double_quant import double_quantize, nearest

BLOCK = 64
OFFSET = 0.9677083


def nf4_levels() -> Tensor:
    """The 16 levels, ascending from -1 to 1 with an exact 0, float32 [16].

    Eight positive levels are normal quantiles of evenly spaced probabilities from `OFFSET` down to 0.5, seven negative ones
    likewise, all divided by the largest.
    """
    positive = torch.linspace(OFFSET, 0.5, 9, dtype=torch.float64)[:-1]
    negative = torch.linspace(OFFSET, 0.5, 8, dtype=torch.float64)[:-1]
    quantiles = torch.cat([torch.special.ndtri(positive), -torch.special.ndtri(negative), torch.zeros(1, dtype=torch.float64)])
    return (quantiles / quantiles.max()).sort().values.float()


def quantize_nf4(w: Tensor, double: bool = True) -> Tensor:
    """Nearest NF4 level of each weight times its block's scale.

    Blocks run along the flattened weight, so they cross rows where 64 does not divide the input channels. The last block
    may be short.

    Args:
        w: weight [out, in].
        double: stores the block scales in 8 bits, as QLoRA and MorphoQuant do.

    Returns:
        The quantised weight [out, in].
    """
    flat = w.float().reshape(-1)
    blocks = torch.nn.functional.pad(flat, (0, -len(flat) % BLOCK)).reshape(-1, BLOCK)
    scale = blocks.abs().amax(1)
    codes = nearest(blocks / scale.clamp_min(1e-30)[:, None], nf4_levels())
    stored = double_quantize(scale) if double else scale
    return (codes * stored[:, None]).reshape(-1)[: len(flat)].reshape(w.shape).to(w.dtype)
