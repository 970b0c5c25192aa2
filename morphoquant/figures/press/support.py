"""What the translation understands, word by word. A figure that says anything else is refused, never drawn wrongly.

Words under `IGNORED` act on a screen only (hover, clicks, margins) or are set by the paper's own style.
"""

from collections.abc import Iterable, Mapping

import plotly.graph_objects as go

from morphoquant.core.errors import MorphoQuantError


class ExportError(MorphoQuantError):
    """A figure or table that cannot be written as asked."""


TRACES: dict[str, frozenset[str]] = {
    "scatter": frozenset(
        "type x y mode name line marker fill fillcolor opacity showlegend legendgroup xaxis yaxis text textposition "
        "textfont visible connectgaps".split()
    ),
    "bar": frozenset(
        "type x y base width orientation name marker opacity showlegend legendgroup xaxis yaxis text textposition textangle "
        "textfont visible offsetgroup".split()
    ),
    "heatmap": frozenset(
        "type x y z colorscale zmin zmax zmid colorbar coloraxis showscale text texttemplate textfont name showlegend "
        "xaxis yaxis visible opacity xgap ygap".split()
    ),
    "surface": frozenset("type x y z colorscale showscale name scene".split()),
    "scatter3d": frozenset("type x y z mode line name legendgroup showlegend scene".split()),
}
PARTS: dict[str, frozenset[str]] = {
    "line": frozenset("color width dash shape".split()),
    "marker": frozenset("color size symbol opacity line pattern".split()),
    "colorbar": frozenset("title tickvals ticktext".split()),
    "coloraxis": frozenset("colorscale cmin cmax cmid colorbar showscale".split()),
}
AXIS = frozenset(
    "title type range domain anchor matches showticklabels tickvals ticktext tickmode autorange showgrid tickangle dtick "
    "categoryorder categoryarray rangemode".split()
)
SCENE = frozenset("xaxis yaxis zaxis aspectmode aspectratio camera".split())
LAYOUT = frozenset("annotations shapes barmode bargap bargroupgap showlegend height title".split())
IGNORED = frozenset(
    "hovertemplate hoverinfo hovertext hoverlabel hovermode hoveron hoverongaps customdata uid meta selected unselected "
    "cliponaxis ids legend legendrank template margin width font paper_bgcolor plot_bgcolor dragmode clickmode uirevision "
    "autosize automargin gridcolor linecolor showline ticks tickfont ticklen nticks exponentformat hoverformat fixedrange "
    "zeroline zerolinecolor len thickness outlinewidth x y xanchor yanchor lenmode thicknessmode insidetextanchor "
    "constraintext lighting backgroundcolor".split()
)


def check(figure: go.Figure) -> None:
    """Raises an ExportError that names the first thing in `figure` that cannot be translated."""
    for trace in figure.data:
        if trace.type not in TRACES:
            raise ExportError(
                f"cannot print a {trace.type!r} trace: allowed are {', '.join(TRACES)}; export it as .html instead."
            )
        words = trace.to_plotly_json()
        _only(words, TRACES[trace.type], f"{trace.type} trace")
        for part in ("line", "marker", "colorbar"):
            _only(words.get(part) or {}, PARTS[part], f"{trace.type}.{part}")
    layout = figure.layout.to_plotly_json()
    for word, value in layout.items():
        if word.rstrip("0123456789") in ("xaxis", "yaxis"):
            _only(value, AXIS, f"layout.{word}")
        elif word == "scene":
            _only(value, SCENE, "layout.scene")
            for side in "xyz":
                _only(value.get(f"{side}axis") or {}, AXIS, f"layout.scene.{side}axis")
        elif word.rstrip("0123456789") == "coloraxis":
            _only(value, PARTS["coloraxis"], f"layout.{word}")
            _only(value.get("colorbar") or {}, PARTS["colorbar"], f"layout.{word}.colorbar")
        else:
            _only([word], LAYOUT, "layout")


def _only(words: Iterable[str] | Mapping, known: frozenset[str], where: str) -> None:
    for word in words:
        if word not in known and word not in IGNORED:
            raise ExportError(
                f"cannot print {where}.{word}: the paper export does not know it; export the figure as .html instead."
            )
