"""Peak over effective value."""

from torch import Tensor

from morphoquant.metrics.base import SHAPES


def crest_factor(x: Tensor) -> float:
    """max |x| / sqrt(mean x^2) of all values, at least 1; 20 log10 of it is the crest factor in dB. NaN for zeros."""
    x = x.double()
    return float(x.abs().max() / x.square().mean().sqrt())


SHAPES.add("crest_factor", crest_factor)
