"""UniformGrid: the one integer quantiser, and the three ways to place it.

    code = clamp(round_half_even(x / step + zero_point), code_low, code_high)
    Q(x) = (code - zero_point) * step

Rounding x / step + zero_point instead of x / step changes nothing but the side to which exact ties fall.
Grids are computed in float64 whatever the data's type: in bfloat16 the zero points of symmetric ranges flip.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

# Smallest range a step is taken from, so that constant and empty channels have a grid.
FLOOR = 1e-8


@dataclass(frozen=True, eq=False)
class UniformGrid:
    """Equally spaced levels.

    Attributes:
        step: distance of two levels, broadcasts against the last axes of the data, [K] for one grid a channel.
        zero_point: code of the value zero, an integer stored as a float of the same shape.
        code_low: smallest code.
        code_high: largest code.
    """

    step: Tensor
    zero_point: Tensor
    code_low: int
    code_high: int

    def codes(self, x: Tensor) -> Tensor:
        """Integer codes of `x` as floats, same shape."""
        codes = x / self.step
        return codes.add_(self.zero_point).round_().clamp_(self.code_low, self.code_high)

    def quantize(self, x: Tensor) -> Tensor:
        """The level nearest to each value, same shape; NaN stays NaN and infinities go to the outermost level."""
        return self.codes(x).sub_(self.zero_point).mul_(self.step)

    @property
    def lowest(self) -> Tensor:
        """Value of the smallest code."""
        return (self.code_low - self.zero_point) * self.step

    @property
    def highest(self) -> Tensor:
        """Value of the largest code."""
        return (self.code_high - self.zero_point) * self.step

    def clipped(self, x: Tensor) -> Tensor:
        """True where `x` lies beyond the outermost level by more than half a step.

        The largest value of a symmetric range lies there exactly (`range_grid`); a hair of tolerance keeps it a rounding
        error whichever way its last bit falls.
        """
        half = self.step * 0.50001
        return (x < self.lowest - half) | (x > self.highest + half)

    def to(self, device: torch.device | str) -> "UniformGrid":
        """The same grid on another device."""
        return UniformGrid(self.step.to(device), self.zero_point.to(device), self.code_low, self.code_high)


def symmetric_grid(absmax: Tensor, bits: int, restricted: bool = False) -> UniformGrid:
    """Signed grid with step absmax / (2^(bits-1) - 1) and zero at code 0.

    Args:
        absmax: largest magnitude to represent, at least zero.
        bits: bit-width, 2 to 8 (2 has the levels -2..1 or, restricted, -1..1).
        restricted: leaves out the lowest code, so that the levels are symmetric: {-7..7} * absmax / 7 at 4 bits, also
            called the odd grid.
    """
    top = 2 ** (bits - 1) - 1
    step = _wide(absmax).clamp_min(FLOOR) / top
    return _grid(step, torch.zeros_like(step), -top if restricted else -top - 1, top, absmax)


def asymmetric_grid(low: Tensor, high: Tensor, bits: int, include_zero: bool = True) -> UniformGrid:
    """Unsigned grid from `low` to `high`.

    Args:
        low: lower edge.
        high: upper edge.
        bits: bit-width.
        include_zero: widens the range to contain zero. Without it the zero point of a one-signed range is clamped and its far
            end is lost, which is what the AWQ and MBQ code does; for parity runs only.
    """
    low, high, like = _wide(low), _wide(high), low
    if include_zero:
        low, high = low.clamp(max=0), high.clamp(min=0)
    top = 2**bits - 1
    step = (high - low).clamp_min(FLOOR) / top
    return _grid(step, (-low / step).round().clamp(0, top), 0, top, like)


def range_grid(low: Tensor, high: Tensor, bits: int, odd: bool = False) -> UniformGrid:
    """The range quantiser of the ZeroQ lineage, which Q-VLM and MorphoQuant use: 2^bits levels from about `low` to `high`.

    With g = (2^bits - 1) / (high - low) and z = round(g low) + 2^(bits-1), codes are round(g x - z), clamped to the signed
    range, and stand for (code + z) / g. Symmetric edges [-a, a] are a tie: the zero point is 0 and at 4 bits the grid is
    {-8..7} * 2a/15, half a step lower than the edges on both sides. One-signed ranges keep their offset.

    Args:
        low: lower edge.
        high: upper edge, at least `low`.
        bits: bit-width.
        odd: leaves out the lowest code, so that symmetric edges give symmetric levels: {-7..7} * a/7 at 4 bits.

    Source: MorphoQuant reference code, class QuantAct.
    """
    like, low, high = low, _wide(low), _wide(high)
    top = 2 ** (bits - 1) - 1
    bottom = -top if odd else -top - 1
    rate = (top - bottom) / (high - low).clamp_min(FLOOR)
    # The product of symmetric edges is mathematically a tie; float64 noise must not break it.
    product = rate * low
    tie = (product * 2).round() / 2
    product = torch.where((product - tie).abs() < 1e-12 * product.abs().clamp_min(1), tie, product)
    return _grid(1 / rate, bottom - product.round(), bottom, top, like)


def _wide(values: Tensor) -> Tensor:
    return values.to(torch.float64)


def _grid(step: Tensor, zero_point: Tensor, code_low: int, code_high: int, like: Tensor) -> UniformGrid:
    kind = torch.float64 if like.dtype == torch.float64 else torch.float32
    return UniformGrid(step.to(kind), zero_point.to(kind), code_low, code_high)
