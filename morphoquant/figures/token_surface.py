"""Token x channel magnitudes as a surface: what stands out, stands up."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from morphoquant.core.layers import short_name
from morphoquant.figures.theme import MAGNITUDE, lay_out, modality_colour, modality_order
from morphoquant.figures.ticks import escaped
from morphoquant.figures.token_bands import TITLES, relief

EYE = dict(x=1.27, y=-1.56, z=0.78)
HEIGHT = 620
_AXIS = dict(backgroundcolor="rgba(0,0,0,0)", gridcolor="rgba(128,128,128,0.3)", zeroline=False)


def token_surface(frame: pd.DataFrame) -> go.Figure:
    """Draws the first stage in the frame of `token_channel`, on a linear scale; a coloured line along the tokens tells their
    modality.
    """
    stage = frame["stage"].iat[0]
    shape = relief(frame, stage)
    figure = go.Figure(
        go.Surface(
            z=shape.z,
            x=shape.channels,
            y=np.arange(len(shape.z)),
            colorscale=MAGNITUDE,
            showscale=False,
            hovertemplate=f"channel %{{x}}<br>{stage}: %{{z:.3g}}<extra></extra>",
            name=stage,
            lighting=dict(ambient=0.75, diffuse=0.5, specular=0.05),
        )
    )
    shown: set[str] = set()
    edge = float(shape.width) * 1.03
    order = modality_order({band.modality for band in shape.bands})
    for band in shape.bands:
        figure.add_trace(
            go.Scatter3d(
                x=[edge, edge],
                y=[band.begin - 0.4, band.end + 0.4],
                z=[0.0, 0.0],
                mode="lines",
                line=dict(color=modality_colour(band.modality), width=12),
                name=band.modality,
                legendgroup=band.modality,
                legendrank=order.index(band.modality),
                showlegend=band.modality not in shown,
                hoverinfo="skip",
            )
        )
        shown.add(band.modality)
    joined = int(frame["channels"].max())
    note = f", {joined} to a point" if joined > 1 else ""
    layer = escaped(short_name(frame["layer"].iat[0]))
    figure.update_layout(
        scene=dict(
            xaxis=dict(title=dict(text=f"Channel of {layer}<br>(index{note})"), **_AXIS),
            yaxis=dict(
                title=dict(text="Tokens"),
                tickvals=[band.middle for band in shape.bands],
                ticktext=[band.label for band in shape.bands],
                autorange="reversed",
                **_AXIS,
            ),
            zaxis=dict(title=dict(text="|value|<br>(activation units)"), rangemode="tozero", **_AXIS),
            aspectmode="manual",
            aspectratio=dict(x=1.7, y=1.2, z=0.75),
            camera=dict(eye=EYE, center=dict(x=0.0, y=0.0, z=-0.2)),
        ),
        title=dict(text=TITLES[stage], x=0.5, y=0.93),
    )
    return lay_out(figure, HEIGHT)
