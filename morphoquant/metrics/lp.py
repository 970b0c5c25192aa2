"""Mean L_p error."""

from torch import Tensor

from morphoquant.metrics.base import METRICS


def lp(x: Tensor, y: Tensor, p: float = 0.5) -> float:
    """mean |y - x|^p without the root, in units of the activation to the p.

    Args:
        x: full-precision values.
        y: quantised values.
        p: exponent; 0.5 is MorphoQuant's, 2.4 that of the weight range search of GPTQ and QuaRot.
    """
    return float((y.double() - x.double()).abs().pow(p).mean())


METRICS.add("lp", lp)
