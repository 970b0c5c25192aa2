"""The worst layers as lying bars, in the colour of the modality that makes them so."""

import pandas as pd
import plotly.graph_objects as go

from morphoquant.figures.theme import lay_out, modality_colour, modality_order, three_digits
from morphoquant.figures.ticks import escaped


def worst_bars(frame: pd.DataFrame, axis: str) -> go.Figure:
    """Draws the frame of `worst_layers`: a bar for the worst modality of a layer, a dot for each other one."""
    figure = go.Figure()
    order = [escaped(label) for label in frame.sort_values("rank")["label"].unique()]
    for modality in modality_order(frame["modality"]):
        part = frame[frame["modality"] == modality]
        bars, dots = part[part["worst"]], part[~part["worst"]]
        shared = dict(name=modality, legendgroup=modality, hovertemplate=f"%{{y}}<br>{modality}: %{{x:.3g}}<extra></extra>")
        if len(bars):
            figure.add_trace(
                go.Bar(
                    y=[escaped(label) for label in bars["label"]],
                    x=bars["value"],
                    orientation="h",
                    marker=dict(color=modality_colour(modality)),
                    text=[three_digits(value) for value in bars["value"]],
                    textposition="outside",
                    cliponaxis=False,
                    customdata=bars[["layer", "channel"]].values.tolist(),
                    **shared,
                )
            )
        if len(dots):
            figure.add_trace(
                go.Scatter(
                    y=[escaped(label) for label in dots["label"]],
                    x=dots["value"],
                    mode="markers",
                    marker=dict(color=modality_colour(modality), size=9, line=dict(color="white", width=1)),
                    showlegend=not len(bars),
                    customdata=dots[["layer", "channel"]].values.tolist(),
                    **shared,
                )
            )
    figure.update_layout(barmode="overlay", bargap=0.3)
    figure.update_yaxes(type="category", categoryorder="array", categoryarray=order, autorange="reversed", showgrid=False)
    figure.update_xaxes(title_text=axis, range=[0, float(frame["value"].max()) * 1.12])
    return lay_out(figure, 120 + 30 * len(order))
