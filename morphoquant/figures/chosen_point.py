"""Rings around what is chosen: a layer among all layers, a channel among all channels."""

import plotly.graph_objects as go

from morphoquant.core.layers import short_name
from morphoquant.figures.theme import EMPHASIS, LEGEND_ROW
from morphoquant.figures.ticks import escaped

_RING = dict(color=EMPHASIS, size=14, symbol="circle-open", line=dict(color=EMPHASIS, width=2))


def ring_layer(figure: go.Figure, layer: str | None) -> go.Figure:
    """Rings every point of `layer` and names it in the legend; leaves the figure as it is where it has no such point."""
    new = True
    for trace in list(figure.data) if layer else []:
        for place, data in enumerate(trace.customdata if trace.customdata is not None else ()):
            if data[0] == layer:
                named = dict(name=escaped(short_name(layer)), showlegend=new, legendgroup="chosen")
                _ring(figure, trace, place, mode="markers", **named)
                new = False
    if not new and not figure.layout.showlegend:
        figure.update_layout(showlegend=True, margin_t=figure.layout.margin.t + LEGEND_ROW)
    return figure


def ring_channel(figure: go.Figure, channel: int | None) -> go.Figure:
    """Rings, in each panel, the end of `channel` that is farther from zero, with its number beside it."""
    farthest: dict[tuple, tuple] = {}
    for trace in list(figure.data) if channel is not None else []:
        for place, data in enumerate(trace.customdata if trace.customdata is not None else ()):
            panel = (trace.xaxis, trace.yaxis)
            if data[1] == channel and abs(trace.y[place]) >= abs(farthest.get(panel, (None, 0, 0.0))[2]):
                farthest[panel] = (trace, place, trace.y[place])
    for trace, place, _ in farthest.values():
        side = "left" if trace.x[place] > 0.85 * max(trace.x) else "right"
        text = dict(text=[f"channel {channel}"], textposition=f"middle {side}", showlegend=False)
        _ring(figure, trace, place, mode="markers+text", **text)
    return figure


def _ring(figure: go.Figure, trace: go.Scatter, place: int, **look) -> None:
    at = dict(x=[trace.x[place]], y=[trace.y[place]], xaxis=trace.xaxis, yaxis=trace.yaxis)
    figure.add_trace(go.Scatter(marker=_RING, hoverinfo="skip", customdata=[list(trace.customdata[place])], **at, **look))
