"""A plotly figure drawn by matplotlib, panel by panel."""

import plotly.graph_objects as go
from matplotlib.figure import Figure

from morphoquant.figures.press import axes as axis_words
from morphoquant.figures.press import words
from morphoquant.figures.press.bars import draw_bars
from morphoquant.figures.press.fit import fit
from morphoquant.figures.press.grid import panels_of, place
from morphoquant.figures.press.heat import draw_bar, draw_heat
from morphoquant.figures.press.legend import draw_legend
from morphoquant.figures.press.marks import draw_note, draw_shape
from morphoquant.figures.press.relief import draw_relief, is_relief
from morphoquant.figures.press.scale import Scale
from morphoquant.figures.press.scatter import draw_scatter
from morphoquant.figures.press.support import check

HEIGHT_PX = 420
INCHES_A_HEIGHT = {"single": 2.5, "double": 3.1}
LARGEST_HEIGHT = 9.0


def draw(figure: go.Figure, inches: float, width: str) -> Figure:
    """Draws `figure` for a column `inches` wide; call it with `style()` in force.

    Raises:
        ExportError: the figure holds something that has no translation.
    """
    check(figure)
    if is_relief(figure):
        return draw_relief(figure, inches)
    height = min((figure.layout.height or HEIGHT_PX) / HEIGHT_PX * INCHES_A_HEIGHT[width], LARGEST_HEIGHT)
    paper = Figure(figsize=(inches, height), layout="constrained")
    panels = panels_of(figure)
    places = place(paper, panels)
    scales = {axis: Scale(figure, axis) for pair in places for axis in pair}
    entries: list[tuple[object, object]] = []
    shared: dict[str, tuple[list, tuple]] = {}
    for pair, axes in places.items():
        x, y = scales[pair[0]], scales[pair[1]]
        axis_words.prepare(axes, x, y)
        traces = [t for t in figure.data if (t.xaxis or "x", t.yaxis or "y") == pair and _is_seen(t)]
        bars = [trace for trace in traces if trace.type == "bar"]
        entries += zip(bars, draw_bars(axes, bars, x, y, figure.layout), strict=True)
        last = None
        for trace in traces:
            if trace.type == "scatter":
                handle, last = draw_scatter(axes, trace, x, y, last)
                entries.append((trace, handle))
            elif trace.type == "heatmap":
                bar = draw_heat(axes, trace, x, y, figure.layout)
                if bar is not None:
                    key = trace.coloraxis or f"{pair}"
                    beside = shared.setdefault(key, ([], bar))[0]
                    # A bar takes its room from each axes named: several maps of one panel are to pay once.
                    beside += [axes] if axes not in beside else []
        for scale in (x, y):
            axis_words.finish(axes, scale)
    axis_words.unite([(axes, scales[axis]) for pair, axes in places.items() for axis in pair])
    for on, bar in shared.values():
        draw_bar(paper, on, *bar)
    for shape in figure.layout.shapes:
        draw_shape(shape, places, scales)
    for note in figure.layout.annotations:
        draw_note(note, places, panels, scales)
    if figure.layout.title.text:
        paper.suptitle(words.text(figure.layout.title.text))
    draw_legend(paper, figure, entries, inches)
    fit(paper)
    return paper


def _is_seen(trace) -> bool:
    if trace.visible not in (None, True) or trace.opacity == 0:
        return False
    return not (trace.type == "scatter" and trace.mode == "markers" and trace.marker.opacity == 0)
