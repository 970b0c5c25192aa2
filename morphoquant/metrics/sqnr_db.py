"""Signal to quantisation noise ratio."""

import math

from torch import Tensor

from morphoquant.metrics.base import METRICS
from morphoquant.metrics.nmse import nmse


def sqnr_db(x: Tensor, y: Tensor) -> float:
    """-10 log10 NMSE, in dB; inf without error, -inf for an error on a zero signal."""
    ratio = nmse(x, y)
    return math.inf if ratio == 0 else -10 * math.log10(ratio)


METRICS.add("sqnr_db", sqnr_db)
