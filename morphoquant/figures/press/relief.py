"""Surfaces on paper: the one figure in three dimensions. The surface is embedded as an image, its axes and text are vectors."""

from math import atan2, degrees, hypot

import numpy as np
import plotly.graph_objects as go
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from mpl_toolkits.mplot3d.axes3d import Axes3D

from morphoquant.figures.press import words
from morphoquant.figures.press.legend import draw_legend
from morphoquant.figures.press.support import ExportError

_WIDE = 5.0  # inches from which on there is room for a larger scene
_LINE = 2.5
_TICKS = 5
_PADS = {"x": (-2, 2), "y": (4, 6), "z": (-6, 0)}  # points to an axis' title in a narrow and in a wide column


def is_relief(figure: go.Figure) -> bool:
    """Whether a figure is of surfaces and lines in one scene."""
    return bool(figure.data) and all(trace.type in ("surface", "scatter3d") for trace in figure.data)


def draw_relief(figure: go.Figure, inches: float) -> Figure:
    """Draws a figure of one scene for a column `inches` wide, seen from where the screen's camera stands.

    Raises:
        ExportError: lines other than lines, or a surface without a colour scale.
    """
    wide = inches >= _WIDE
    # Constrained layout does not know how far the titles of a scene reach: the place is set.
    paper = Figure(figsize=(inches, inches * (0.6 if wide else 0.72)))
    axes: Axes3D = paper.add_axes((0.0, 0.0, 0.94, 0.95), projection="3d", computed_zorder=False)
    entries = []
    for trace in figure.data:
        if trace.type == "surface":
            _surface(axes, trace)
        elif trace.mode != "lines":
            raise ExportError(f"cannot print {trace.mode!r} in a scene: allowed are lines; export the figure as .html instead.")
        else:
            colour = words.rgba(trace.line.color)
            look = dict(linewidth=_LINE, solid_capstyle="butt", clip_on=False)
            axes.plot(trace.x, trace.y, trace.z, color=colour, zorder=0.5, **look)
            entries.append((trace, Patch(color=colour)))
    scene = figure.layout.scene
    for side in "xyz":
        _axis(axes, side, scene[f"{side}axis"], _PADS[side][wide])
    ratio, eye = scene.aspectratio, scene.camera.eye
    axes.set_box_aspect((ratio.x, ratio.y, ratio.z), zoom=1.08 if wide else 1.02)
    axes.view_init(elev=degrees(atan2(eye.z, hypot(eye.x, eye.y))), azim=degrees(atan2(eye.y, eye.x)))
    if figure.layout.title.text:
        axes.set_title(words.text(figure.layout.title.text), y=0.95)
    draw_legend(paper, figure, entries, inches)
    return paper


def _surface(axes: Axes3D, trace) -> None:
    if trace.colorscale is None:
        raise ExportError("cannot print a surface without a colour scale of its own: give it one.")
    z = np.asarray(trace.z, float)
    stops = [(position, words.rgba(colour)) for position, colour in trace.colorscale]
    x, y = np.meshgrid(np.asarray(trace.x, float), np.asarray(trace.y, float))
    look = dict(rstride=1, cstride=1, linewidth=0, antialiased=False, shade=False, rasterized=True, zorder=1, clip_on=False)
    axes.plot_surface(x, y, z, cmap=LinearSegmentedColormap.from_list("", stops), **look)


def _axis(axes: Axes3D, side: str, layout, pad: float) -> None:
    getattr(axes, f"set_{side}label")(words.text(layout.title.text), labelpad=pad)
    axis = getattr(axes, f"{side}axis")
    axis.set_tick_params(pad=-2)
    if layout.tickvals is not None:
        axis.set_ticks(list(layout.tickvals), labels=[words.text(label) for label in layout.ticktext])
    else:
        axis.set_major_locator(MaxNLocator(_TICKS))
    if layout.rangemode == "tozero":
        getattr(axes, f"set_{side}lim")(0.0, getattr(axes, f"get_{side}lim")()[1])
    if layout.autorange == "reversed":
        getattr(axes, f"set_{side}lim")(getattr(axes, f"get_{side}lim")()[::-1])
    axis.set_pane_color((1.0, 1.0, 1.0, 0.0))
