"""Heat maps with their colour bars.

Up to `VECTOR_CELLS` cells are drawn as vector quads; larger maps are embedded as an image of one pixel a cell, which is
exact and keeps the file small.
"""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

from morphoquant.figures.press import words
from morphoquant.figures.press.scale import Scale
from morphoquant.figures.press.support import ExportError

VECTOR_CELLS = 20_000


def draw_heat(axes: Axes, trace, x: Scale, y: Scale, layout):
    """Draws one heat map; returns (mappable, colour bar title, tick values, tick texts) or None without a bar."""
    z = np.array([[np.nan if v is None else v for v in row] for row in trace.z], float)
    source = layout[trace.coloraxis] if trace.coloraxis else trace
    low, high, middle = (source.cmin, source.cmax, source.cmid) if trace.coloraxis else (trace.zmin, trace.zmax, trace.zmid)
    if source.colorscale is None:
        raise ExportError("cannot print a heat map without a colour scale of its own: give it one.")
    finite = z[np.isfinite(z)]
    low = float(finite.min()) if low is None and finite.size else float(low or 0.0)
    high = float(finite.max()) if high is None and finite.size else float(1.0 if high is None else high)
    if middle is not None:
        reach = max(abs(high - middle), abs(low - middle)) or 1.0
        low, high = middle - reach, middle + reach
    stops = [(position, words.rgba(colour)) for position, colour in source.colorscale]
    colours = LinearSegmentedColormap.from_list("", stops)
    norm = Normalize(low, high if high > low else low + 1.0)
    xs, ys = _edges(x, trace.x, z.shape[1]), _edges(y, trace.y, z.shape[0])
    z = np.ma.masked_invalid(z)
    if z.size <= VECTOR_CELLS or not (_even(xs) and _even(ys)):
        mappable = axes.pcolormesh(xs, ys, z, cmap=colours, norm=norm, edgecolors="none", zorder=0.5)
    else:
        box = (xs[0], xs[-1], ys[0], ys[-1])
        mappable = axes.imshow(
            z, cmap=colours, norm=norm, extent=box, origin="lower", aspect="auto", interpolation="nearest", zorder=0.5
        )
    axes.set_xlim(xs[0], xs[-1])
    axes.set_ylim(ys[0], ys[-1])
    if trace.texttemplate is not None:
        _numbers(axes, trace, z, xs, ys)
    shown = source.showscale if source.showscale is not None else True
    bar = source.colorbar
    return (mappable, words.text(bar.title.text), bar.tickvals, bar.ticktext) if shown else None


def draw_bar(figure: Figure, axes: list[Axes], mappable, title: str, values, texts) -> None:
    """The colour bar of heat maps that share one."""
    bar = figure.colorbar(mappable, ax=axes, label=title, fraction=0.05, pad=0.02, aspect=30)
    bar.outline.set_linewidth(0.5)
    if values is not None:
        bar.set_ticks(list(values), labels=[words.text(t) for t in texts] if texts is not None else None)


def _edges(scale: Scale, values, count: int) -> np.ndarray:
    centres = np.arange(count, dtype=float) if values is None else scale.places(values)
    if len(centres) == count + 1:
        return centres
    if count == 1:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    middle = (centres[:-1] + centres[1:]) / 2
    return np.concatenate([[2 * centres[0] - middle[0]], middle, [2 * centres[-1] - middle[-1]]])


def _even(edges: np.ndarray) -> bool:
    gaps = np.diff(edges)
    return bool(np.allclose(gaps, gaps[0]))


def _numbers(axes, trace, z, xs, ys) -> None:
    if trace.texttemplate != "%{text}" or trace.text is None:
        raise ExportError(f"cannot print the text template {trace.texttemplate!r}: give the texts and '%{{text}}'.")
    for row in range(z.shape[0]):
        for column in range(z.shape[1]):
            label = trace.text[row][column]
            if z.mask is not np.False_ and np.ma.getmaskarray(z)[row, column] or not label:
                continue
            at = ((xs[column] + xs[column + 1]) / 2, (ys[row] + ys[row + 1]) / 2)
            axes.annotate(words.text(label), at, ha="center", va="center", color=words.rgba(trace.textfont.color or "black"))
