"""Double quantisation: the block scales of NF4 are themselves stored in 8 bits.

The scales are shifted by their mean and quantised in blocks of 256 to the signed "dynamic" 8-bit code book: seven decades
from 1e-7 to 1, the i-th with 2^i midpoints of equally spaced values between 0.1 and 1, both signs, 0 and 1.

Source: Dettmers et al. 2023, QLoRA, section 3 (double quantisation); the code book is that of bitsandbytes.
"""

import torch
from torch import Tensor

SCALE_BLOCK = 256
DECADES = 7


def dynamic_code_book() -> Tensor:
    """The 256 values, ascending, float32 [256]."""
    values = [torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)]
    for decade in range(DECADES):
        bounds = torch.linspace(0.1, 1, 2**decade + 1, dtype=torch.float64)
        means = (bounds[:-1] + bounds[1:]) / 2 * 10.0 ** (decade - DECADES + 1)
        values += [means, -means]
    return torch.cat(values).sort().values.float()


def double_quantize(scales: Tensor, block: int = SCALE_BLOCK) -> Tensor:
    """The scales as they are read back after storage.

    Args:
        scales: positive block scales [n], float32.
        block: scales that share one second-level scale.
    """
    mean = scales.mean()
    blocks = torch.nn.functional.pad(scales - mean, (0, -len(scales) % block)).reshape(-1, block)
    second = blocks.abs().amax(1, keepdim=True)
    return (nearest(blocks / second.clamp_min(1e-30), dynamic_code_book()) * second).reshape(-1)[: len(scales)] + mean


def nearest(x: Tensor, levels: Tensor) -> Tensor:
    """The nearest of the ascending `levels` to each value of `x`."""
    return levels[torch.bucketize(x, (levels[1:] + levels[:-1]) / 2)]
