"""Shapes and annotations: reference lines, bands, panel titles and notes."""

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.transforms import blended_transform_factory

from morphoquant.figures.press import words
from morphoquant.figures.press.grid import Pair, Panel
from morphoquant.figures.press.scale import Scale
from morphoquant.figures.press.scatter import POINTS_A_PIXEL
from morphoquant.figures.press.support import ExportError

_SHAPE = frozenset("type x0 x1 y0 y1 xref yref line fillcolor opacity layer showlegend".split())
_NOTE = frozenset("text x y xref yref showarrow xanchor yanchor font align xshift yshift bgcolor textangle opacity".split())


def draw_shape(shape, places: dict[Pair, Axes], scales: dict[str, Scale]) -> None:
    """Draws a line or rectangle in data, domain or (for a single subplot) paper coordinates."""
    words_used = shape.to_plotly_json()
    for word in words_used:
        if word not in _SHAPE:
            raise ExportError(f"cannot print shape.{word}: export the figure as .html instead.")
    if shape.type not in ("line", "rect"):
        raise ExportError(f"cannot print a {shape.type!r} shape: allowed are line and rect.")
    axes = _axes(shape.xref, shape.yref, places)
    x0, x1 = (_at(v, shape.xref, scales) for v in (shape.x0, shape.x1))
    y0, y1 = (_at(v, shape.yref, scales) for v in (shape.y0, shape.y1))
    where = blended_transform_factory(
        axes.transAxes if _is_domain(shape.xref) else axes.transData, axes.transAxes if _is_domain(shape.yref) else axes.transData
    )
    low = shape.layer == "below"
    style = dict(linestyle=words.dash(shape.line.dash), transform=where, zorder=0.8 if low else 2.2)
    width = (shape.line.width if shape.line.width is not None else 2) * POINTS_A_PIXEL
    if shape.type == "line":
        axes.add_artist(
            Line2D([x0, x1], [y0, y1], color=words.rgba(shape.line.color or "#444", shape.opacity), linewidth=width, **style)
        )
        return
    axes.add_artist(
        Rectangle(
            (x0, y0),
            x1 - x0,
            y1 - y0,
            facecolor=words.rgba(shape.fillcolor, shape.opacity) if shape.fillcolor else "none",
            edgecolor=words.rgba(shape.line.color or "#444", shape.opacity) if width else "none",
            linewidth=width,
            **style,
        )
    )


def draw_note(note, places: dict[Pair, Axes], panels: list[Panel], scales: dict[str, Scale]) -> None:
    """Draws an annotation; one that stands centred on top of a panel becomes the panel's title."""
    for word in note.to_plotly_json():
        if word not in _NOTE:
            raise ExportError(f"cannot print annotation.{word}: export the figure as .html instead.")
    if note.showarrow is not False:
        raise ExportError("cannot print an annotation with an arrow: set showarrow=False.")
    text, colour = words.text(note.text), words.rgba(note.font.color or "#333333")
    if note.xref == "paper" and note.yref == "paper":
        for panel in panels:
            middle = sum(panel.x_domain) / 2
            if abs(note.x - middle) < 1e-6 and abs(note.y - panel.y_domain[1]) < 1e-6 and note.yanchor == "bottom":
                places[panel.pair].set_title(text, color=colour)
                return
    axes = _axes(note.xref, note.yref, places)
    where = blended_transform_factory(
        axes.transAxes if _is_domain(note.xref) else axes.transData, axes.transAxes if _is_domain(note.yref) else axes.transData
    )
    axes.annotate(
        text,
        (_at(note.x, note.xref, scales), _at(note.y, note.yref, scales)),
        ((note.xshift or 0) * POINTS_A_PIXEL, (note.yshift or 0) * POINTS_A_PIXEL),
        xycoords=where,
        textcoords="offset points",
        ha={"left": "left", "right": "right"}.get(note.xanchor, "center"),
        va={"top": "top", "bottom": "bottom"}.get(note.yanchor, "center"),
        rotation=-(note.textangle or 0),
        color=colour,
        fontsize="small",
    )


def _is_domain(reference: str | None) -> bool:
    return reference == "paper" or str(reference).endswith(" domain")


def _at(value, reference: str | None, scales: dict[str, Scale]) -> float:
    if _is_domain(reference):
        return float(value)
    return scales[reference or "x"].place(value)


def _axes(xref: str | None, yref: str | None, places: dict[Pair, Axes]) -> Axes:
    x, y = (str(reference or default).removesuffix(" domain") for reference, default in ((xref, "x"), (yref, "y")))
    found = [axes for (px, py), axes in places.items() if x in (px, "paper") and y in (py, "paper")]
    if len(found) != 1:
        raise ExportError(f"cannot print a mark at {xref}, {yref}: in a figure of several panels refer to one panel's axes.")
    return found[0]
