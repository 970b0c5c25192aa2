"""Where subplots stand: the rows and columns that plotly's axis domains describe."""

from dataclasses import dataclass

import plotly.graph_objects as go
from matplotlib.figure import Figure

from morphoquant.figures.press.support import ExportError

Pair = tuple[str, str]


@dataclass(frozen=True)
class Panel:
    """One subplot: its two axes and their domains in paper coordinates."""

    pair: Pair
    x_domain: tuple[float, float]
    y_domain: tuple[float, float]


def panels_of(figure: go.Figure) -> list[Panel]:
    """All subplots that hold a trace, in the order of the traces."""
    pairs = dict.fromkeys((trace.xaxis or "x", trace.yaxis or "y") for trace in figure.data)
    return [Panel(pair, _domain(figure, pair[0]), _domain(figure, pair[1])) for pair in pairs or {("x", "y"): None}]


def _domain(figure: go.Figure, axis: str) -> tuple[float, float]:
    domain = figure.layout[f"{axis[0]}axis{axis[1:]}"].domain
    return (float(domain[0]), float(domain[1])) if domain else (0.0, 1.0)


def place(target: Figure, panels: list[Panel]) -> dict[Pair, object]:
    """Makes matplotlib axes in a grid of the panels' columns and rows; widths and heights keep their proportions.

    Raises:
        ExportError: the panels are no grid, or two share one place.
    """
    columns = sorted({panel.x_domain for panel in panels})
    rows = sorted({panel.y_domain for panel in panels}, reverse=True)
    spans = [(a, b) for bands in (columns, rows[::-1]) for a, b in zip(bands, bands[1:], strict=False)]
    if any(later[0] < earlier[1] - 1e-9 for earlier, later in spans) or len({(p.x_domain, p.y_domain) for p in panels}) < len(
        panels
    ):
        raise ExportError("cannot print subplots that overlap or are no grid: lay them out with make_subplots and no spans.")
    grid = target.add_gridspec(
        len(rows), len(columns), width_ratios=[b - a for a, b in columns], height_ratios=[b - a for a, b in rows]
    )
    return {p.pair: target.add_subplot(grid[rows.index(p.y_domain), columns.index(p.x_domain)]) for p in panels}
