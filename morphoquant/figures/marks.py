"""Lines and bands across panels, and notes, put into a figure at once.

Plotly's own add_vline, add_shape and add_annotation look through all that a figure has of them, and copy it, for each one that is
added: of a dozen panels with a few lines each that alone takes longer than all the rest of a page.
"""

from collections.abc import Iterable

import plotly.graph_objects as go


def upright(figure: go.Figure, x: float, row: int | None = None, col: int | None = None, **look) -> dict:
    """A line from the bottom to the top of a panel of make_subplots, of the first one if none is named, at `x`."""
    return band(figure, x, x, row, col, type="line", **look)


def band(figure: go.Figure, x0: float, x1: float, row: int | None = None, col: int | None = None, **look) -> dict:
    """The stretch from `x0` to `x1` of a panel, from its bottom to its top."""
    x, y = _axes(figure, row, col)
    return dict(type="rect", x0=x0, x1=x1, xref=x, y0=0, y1=1, yref=f"{y} domain") | look


def level(figure: go.Figure, y: float, row: int | None = None, col: int | None = None, **look) -> dict:
    """A line from the left to the right of a panel, at `y`."""
    across, up = _axes(figure, row, col)
    return dict(type="line", x0=0, x1=1, xref=f"{across} domain", y0=y, y1=y, yref=up) | look


def mark(figure: go.Figure, shapes: Iterable[dict] = (), notes: Iterable[dict] = ()) -> None:
    """Puts shapes and annotations into a figure, behind those that it has."""
    figure.layout.shapes = [*figure.layout.shapes, *shapes]
    figure.layout.annotations = [*figure.layout.annotations, *notes]


def _axes(figure: go.Figure, row: int | None, col: int | None) -> tuple[str, str]:
    """Plotly's short names of a panel's axes: "x2", "y2"."""
    if row is None:
        return "x", "y"
    panel = figure.get_subplot(row, col)
    return panel.xaxis.plotly_name.replace("axis", ""), panel.yaxis.plotly_name.replace("axis", "")
