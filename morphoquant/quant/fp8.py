"""FP8: E4M3 and E5M2 with one float32 scale an output channel or a token, which leaves the product of the two.

Source: Micikevicius et al. 2022, FP8 Formats for Deep Learning (arXiv 2209.05433), tables 1 and section 3.
"""

from torch import Tensor

from morphoquant.quant.minifloat import E4M3, E5M2, MiniFloat
from morphoquant.quant.scaled import TINY, ScaledFormat


def fp8(element: MiniFloat) -> ScaledFormat:
    """The largest magnitude of a row lies on the largest number of the element."""

    def scale(rows: Tensor) -> Tensor:
        return rows.abs().amax(-1, keepdim=True).clamp_min(TINY) / element.largest

    return ScaledFormat(bits=8, block=None, scale=scale, element=element.round, beyond=element.beyond)


FP8_E4M3 = fp8(E4M3)
FP8_E5M2 = fp8(E5M2)
