"""The panels of a figure that make_subplots laid out: their axes, what is written above them, and which axes move together."""

from dataclasses import dataclass

import plotly.graph_objects as go


@dataclass(frozen=True, eq=False)
class Panel:
    """One subplot.

    Attributes:
        figure: the figure it is of.
        axes: plotly's short names of its x and y axis.
        title: the annotation above it, empty if there is none.
        row: what panels of different figures share if they show the same: the title up to a colon, else the panel's number.
    """

    figure: go.Figure
    axes: tuple[str, str]
    title: str
    row: str

    def layout(self, side: int):
        """The layout of its x (side 0) or y (side 1) axis."""
        return self.figure.layout[long_name(self.axes[side])]


def panels_of(figure: go.Figure) -> list[Panel]:
    """All subplots with a trace, row by row from the top."""
    pairs = dict.fromkeys((trace.xaxis or "x", trace.yaxis or "y") for trace in figure.data)
    found = sorted(pairs, key=lambda pair: (-_domain(figure, pair[1])[1], _domain(figure, pair[0])[0]))
    titles = [_title(figure, pair) for pair in found]
    return [
        Panel(figure, pair, title, title.partition(":")[0] or f"#{place}")
        for place, (pair, title) in enumerate(zip(found, titles, strict=True))
    ]


def is_title(note, figure: go.Figure, pair: tuple[str, str]) -> bool:
    """Whether an annotation stands centred on top of a panel, as make_subplots writes titles."""
    (left, right), (_, top) = (_domain(figure, axis) for axis in pair)
    on_paper = note.xref == "paper" and note.yref == "paper" and note.yanchor == "bottom"
    return on_paper and abs(note.x - (left + right) / 2) < 1e-6 and abs(note.y - top) < 1e-6


def long_name(axis: str) -> str:
    """ "x2" -> "xaxis2"."""
    return f"{axis[0]}axis{axis[1:]}"


def family_of(panel: Panel, side: int) -> str:
    """The axis of the panel's figure that its x or y axis moves with: itself if it moves alone."""
    axis, matches = panel.axes[side], panel.layout(side).matches
    while matches and matches != axis:
        axis = matches
        matches = panel.figure.layout[long_name(axis)].matches
    return axis


def _title(figure: go.Figure, pair: tuple[str, str]) -> str:
    return next((note.text for note in figure.layout.annotations if is_title(note, figure, pair)), "")


def _domain(figure: go.Figure, axis: str) -> tuple[float, float]:
    domain = figure.layout[long_name(axis)].domain
    return (float(domain[0]), float(domain[1])) if domain else (0.0, 1.0)


def title_last(figure: go.Figure, title: str, panels: int, columns: int) -> None:
    """Writes title and ticks of the x axes under the last panel of each column, which in the last row may be missing.

    Args:
        figure: as make_subplots laid it out, its panels filled row by row.
        title: of the x axes.
        panels: how many there are.
        columns: in how many columns.
    """
    for column in range(1, columns + 1):
        last = (panels - column) // columns + 1
        figure.update_xaxes(title_text=title, showticklabels=True, row=last, col=column)
