"""Magnitudes on a logarithmic colour scale whose bar tells the values themselves."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from morphoquant.figures.theme import three_digits

_MOST = 5  # what lies so many decades below the largest value has the lowest colour
_RARE = 0.01  # and so has the smallest hundredth


@dataclass(frozen=True)
class Decades:
    """A colour axis.

    Attributes:
        low: logarithm of the value with the lowest colour, and of all below.
        high: logarithm of the largest value.
        bar: plotly's colour bar, with its title.
    """

    low: float
    high: float
    bar: dict[str, Any]

    def shade(self, values: np.ndarray) -> np.ndarray:
        """Logarithms float32 of magnitudes, any shape; zero has the lowest colour, NaN none."""
        with np.errstate(divide="ignore"):
            return np.where(values == 0, self.low, np.log10(values)).astype(np.float32)


def decades(values: np.ndarray, label: str) -> Decades:
    """The axis of magnitudes, zero or above; `label` names them with their unit."""
    known = values[np.isfinite(values) & (values > 0)]
    high = float(np.log10(known.max())) if len(known) else 0.0
    low = max(float(np.log10(np.quantile(known, _RARE))), high - _MOST) if len(known) else -1.0
    low = low if low < high else high - 1.0
    ticks = [float(decade) for decade in range(int(np.ceil(low)), int(np.floor(high)) + 1)]
    ticks = ticks if len(ticks) > 1 else [low, (low + high) / 2, high]
    texts = [f"{10.0**tick:g}" if tick.is_integer() else three_digits(10.0**tick) for tick in ticks]
    return Decades(low, high, dict(title=dict(text=label, side="right"), tickvals=ticks, ticktext=texts))
