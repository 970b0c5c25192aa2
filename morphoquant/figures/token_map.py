"""Token x channel heat maps, one under the other on one scale: before, after, and the error between."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from morphoquant.core.layers import short_name
from morphoquant.figures.decades import decades
from morphoquant.figures.theme import MAGNITUDE, lay_out, modality_colour, modality_order
from morphoquant.figures.ticks import escaped
from morphoquant.figures.token_bands import TITLES, relief


def token_map(frame: pd.DataFrame) -> go.Figure:
    """Draws the frame of `token_channel`, a panel a stage; colours are of the logarithm, a hover tells the value itself."""
    stages = list(dict.fromkeys(frame["stage"]))
    shapes = [relief(frame, stage) for stage in stages]
    titles = [TITLES[stage] for stage in stages]
    figure = make_subplots(rows=len(stages), cols=1, shared_xaxes="all", vertical_spacing=0.09, subplot_titles=titles)
    axis = decades(frame["value"].to_numpy(float), "|value| (activation units, log scale)")
    names: set[str] = set()
    for row, (stage, shape) in enumerate(zip(stages, shapes, strict=True), 1):
        step = (shape.channels[1] if len(shape.channels) > 1 else shape.width) - shape.channels[0]
        figure.add_trace(
            go.Heatmap(
                z=axis.shade(shape.z),
                x=shape.channels + (step - 1) / 2,
                y=np.arange(len(shape.z)),
                customdata=shape.z,
                coloraxis="coloraxis",
                hoverongaps=False,
                hovertemplate=f"channel %{{x:.0f}}<br>{stage}: %{{customdata:.3g}}<extra></extra>",
                name=stage,
            ),
            row,
            1,
        )
        strip = -0.012 * shape.width
        for band in shape.bands:
            figure.add_trace(
                go.Scatter(
                    x=[strip, strip],
                    y=[band.begin - 0.5, band.end + 0.5],
                    mode="lines",
                    line=dict(color=modality_colour(band.modality), width=8),
                    name=band.modality,
                    legendgroup=band.modality,
                    legendrank=modality_order({shape.modality for shape in shape.bands}).index(band.modality),
                    showlegend=band.modality not in names,
                    hoverinfo="skip",
                ),
                row,
                1,
            )
            names.add(band.modality)
        figure.update_yaxes(
            tickvals=[band.middle for band in shape.bands],
            ticktext=[band.label for band in shape.bands],
            range=[len(shape.z) - 0.5, -0.5],
            showgrid=False,
            row=row,
            col=1,
        )
        figure.update_xaxes(range=[2 * strip, shape.width - 0.5], showgrid=False, row=row, col=1)
    layer = escaped(short_name(frame["layer"].iat[0]))
    joined = int(frame["channels"].max())
    note = f", {joined} to a cell by their largest" if joined > 1 else ""
    figure.update_xaxes(title_text=f"Input channel of {layer} (index{note})", row=len(stages), col=1)
    figure.update_yaxes(title_text="Tokens", row=(len(stages) + 1) // 2, col=1)
    figure.update_layout(coloraxis=dict(colorscale=MAGNITUDE, cmin=axis.low, cmax=axis.high, colorbar=axis.bar))
    return lay_out(figure, 110 + len(stages) * (300 if len(stages) > 1 else 380))
