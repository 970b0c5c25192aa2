"""Scatter traces: lines, steps, markers, fills and text."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from morphoquant.figures.press import words
from morphoquant.figures.press.scale import Scale
from morphoquant.figures.press.support import ExportError

POINTS_A_PIXEL = 0.55
_ON_LINE = 0.6  # size of markers that sit on a line: print has less room than a screen
_PLACES = {"top": (0, 3, "center", "bottom"), "bottom": (0, -3, "center", "top"), "middle": (0, 0, "center", "center")}


def draw_scatter(axes: Axes, trace, x: Scale, y: Scale, previous: np.ndarray | None):
    """Draws `trace`; returns its legend handle and its [points, 2] coordinates for a fill "tonexty" of the next trace."""
    xs, ys = x.places(trace.x), y.places(trace.y)
    mode = trace.mode or "lines"
    colour = trace.line.color or (trace.marker.color if isinstance(trace.marker.color, str) else None) or "#333333"
    handle: Line2D | Patch | None = None
    if trace.fill not in (None, "none"):
        shade = words.rgba(trace.fillcolor or colour, (trace.opacity or 1.0) * (1.0 if trace.fillcolor else 0.5))
        _fill(axes, trace, xs, ys, shade, previous)
        handle = Patch(facecolor=shade, edgecolor="none")
    lines, markers = "lines" in mode and trace.line.width != 0, "markers" in mode
    if lines:
        style = dict(
            color=words.rgba(colour, trace.opacity),
            linewidth=(trace.line.width or 2) * POINTS_A_PIXEL,
            linestyle=words.dash(trace.line.dash),
        )
        shown = np.isfinite(xs) & np.isfinite(ys) if trace.connectgaps else slice(None)
        axes.plot(xs[shown], ys[shown], drawstyle=words.steps(trace.line.shape), **style)
        handle = Line2D([], [], **style)
    if markers:
        dot = _markers(axes, trace, xs, ys, colour, _ON_LINE if lines else 1.0)
        handle = Line2D([], [], **(style if lines else {"linestyle": "none"}), **dot)
    if "text" in mode:
        _text(axes, trace, xs, ys)
    return handle, np.column_stack([xs, ys])


def _fill(axes, trace, xs, ys, shade, previous) -> None:
    step = {"hv": "post", "vh": "pre", "hvh": "mid"}.get(trace.line.shape)
    if trace.fill == "tozeroy":
        low = axes.get_ylim()[0] if axes.get_yscale() == "log" else 0.0
        axes.fill_between(xs, np.minimum(low, np.nanmin(ys)) if low else 0.0, ys, color=shade, linewidth=0, step=step)
    elif trace.fill == "tonexty" and previous is not None and len(previous) == len(xs):
        axes.fill_between(xs, previous[:, 1], ys, color=shade, linewidth=0, step=step)
    elif trace.fill == "toself":
        axes.fill(xs, ys, color=shade, linewidth=0)
    else:
        raise ExportError(
            f"cannot print the fill {trace.fill!r}: allowed are tozeroy, toself, and tonexty of two equally long lines."
        )


def _markers(axes, trace, xs, ys, colour, shrink) -> dict:
    sign, open_ = words.symbol(trace.marker.symbol if isinstance(trace.marker.symbol, (str, type(None))) else "circle")
    opacity = (trace.opacity or 1.0) * (1.0 if trace.marker.opacity is None else trace.marker.opacity)
    size = np.multiply(trace.marker.size if trace.marker.size is not None else 6, shrink)
    paints = trace.marker.color if trace.marker.color is not None else colour
    paints = [paints] * len(xs) if isinstance(paints, str) else list(paints)
    if any(not isinstance(paint, str) for paint in paints):
        raise ExportError("cannot print marker colours given as numbers: give each marker a colour.")
    edge = trace.marker.line.color if isinstance(trace.marker.line.color, str) else None
    width = (trace.marker.line.width if trace.marker.line.width is not None else (1.5 if open_ else 0)) * POINTS_A_PIXEL
    faces = [words.rgba(paint, opacity) for paint in paints]
    thin = sign in "x|_"
    area = (np.broadcast_to(np.asarray(size, float), len(xs)) * POINTS_A_PIXEL) ** 2
    axes.scatter(
        xs,
        ys,
        s=area,
        marker=sign,
        zorder=2.5,
        facecolors=faces if thin or not open_ else "none",
        edgecolors=None if thin else (words.rgba(edge, opacity) if edge else faces),
        linewidths=max(width, 0.8) if thin else width,
    )
    first = faces[0] if faces else words.rgba(colour, opacity)
    return dict(
        marker=sign,
        markersize=min(float(np.max(size)) * POINTS_A_PIXEL, 6),
        markerfacecolor="none" if open_ else first,
        markeredgecolor=words.rgba(edge) if edge else first,
        markeredgewidth=max(width, 0.8 if thin else 0),
    )


def _text(axes, trace, xs, ys) -> None:
    labels = [trace.text] * len(xs) if isinstance(trace.text, str) else trace.text
    place = trace.textposition if isinstance(trace.textposition, str) else "middle center"
    vertical, _, horizontal = place.partition(" ")
    dx, dy, _, valign = _PLACES[vertical]
    dx, halign = {"left": (-4, "right"), "right": (4, "left")}.get(horizontal, (0, "center"))
    for px, py, label in zip(xs, ys, labels, strict=True):
        if np.isfinite(px) and np.isfinite(py) and label:
            axes.annotate(
                words.text(label), (px, py), (dx, dy), textcoords="offset points", ha=halign, va=valign, fontsize="small"
            )
