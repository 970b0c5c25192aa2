"""The legend above the panels, in as many columns as the page is wide."""

import plotly.graph_objects as go
from matplotlib import rcParams
from matplotlib.figure import Figure

from morphoquant.figures.press import words

_LETTER = 0.52  # mean width of a letter in font sizes
_LINE = 1.5  # height of a row, in font sizes
_HANDLE = 3.2  # width of a handle with its gaps, in font sizes


def draw_legend(paper: Figure, figure: go.Figure, entries: list, inches: float) -> None:
    """Draws one entry for each named trace that plotly would list; members of a legend group once.

    The page grows by every row after the first, so that a long legend does not squeeze the panels.
    """
    if figure.layout.showlegend is False:
        return
    shown: dict[str, object] = {}
    for trace, handle in entries:
        if handle is None or trace.showlegend is False or not trace.name:
            continue
        shown.setdefault(words.text(trace.name), handle)
    if len(shown) < 2 and figure.layout.showlegend is None or not shown:
        return
    size = float(rcParams["legend.fontsize"]) / 72
    widest = max(len(line) for name in shown for line in name.splitlines())
    columns = max(1, min(len(shown), int(inches / ((widest * _LETTER + _HANDLE) * size))))
    paper.legend(shown.values(), shown.keys(), loc="outside upper center", ncols=columns, frameon=False, columnspacing=1.0)
    rows = -(-len(shown) // columns)
    paper.set_figheight(paper.get_figheight() + (rows - 1) * size * _LINE)
