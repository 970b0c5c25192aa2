"""Data coordinates of one plotly axis as numbers: categories become positions, as on screen."""

from collections.abc import Iterable

import numpy as np
import plotly.graph_objects as go


class Scale:
    """Positions along one axis ("x", "y2", ...) of a figure.

    Args:
        figure: the figure.
        axis: plotly's short axis name.
    """

    def __init__(self, figure: go.Figure, axis: str):
        self.axis = axis
        self.layout = figure.layout[f"{axis[0]}axis{axis[1:]}"]
        columns = [
            _column(trace, axis) for trace in figure.data if trace[f"{axis[0]}axis"] in (axis, None if axis in "xy" else axis)
        ]
        wanted = self.layout.type
        self.categorical = wanted == "category" or (wanted in (None, "-") and any(_has_text(column) for column in columns))
        self.log = wanted == "log"
        names = [*(self.layout.categoryarray if self.layout.categoryarray is not None else ())]
        if self.categorical:
            names += [value for column in columns for value in column if value is not None]
        self.names = {name: place for place, name in enumerate(dict.fromkeys(str(name) for name in names))}

    def places(self, values: Iterable) -> np.ndarray:
        """Float positions of `values`; None becomes NaN, a gap."""
        if self.categorical:
            return np.array([self.place(value) for value in values], float)
        return np.array([np.nan if value is None else value for value in values], float)

    def place(self, value) -> float:
        """Position of one value, which on a category axis may be a position already."""
        if value is None:
            return np.nan
        return float(self.names[str(value)]) if self.categorical and str(value) in self.names else float(value)

    @property
    def limits(self) -> tuple[float, float] | None:
        """The range that the layout fixes, in data units, absent for automatic."""
        if self.layout.range is None:
            return None
        low, high = self.layout.range
        return (10.0**low, 10.0**high) if self.log else (float(low), float(high))


def _column(trace, axis: str):
    values = trace[axis[0]]
    return () if values is None else values


def _has_text(values) -> bool:
    return any(isinstance(value, str) for value in values)
