"""The range of every channel, one panel a modality, on one scale."""

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from morphoquant.figures.theme import faded, lay_out, modality_colour, modality_order


def range_bands(frame: pd.DataFrame) -> go.Figure:
    """Draws the frame of `channel_ranges`: smallest and largest value of each channel, the span between them filled."""
    names = modality_order(frame["modality"])
    figure = make_subplots(
        rows=len(names), cols=1, shared_xaxes=True, shared_yaxes="all", vertical_spacing=0.2 / len(names), subplot_titles=names
    )
    for row, modality in enumerate(names, 1):
        part = frame[frame["modality"] == modality].sort_values("first_channel")
        colour = modality_colour(modality)
        shared = dict(
            x=part["first_channel"],
            mode="lines",
            line=dict(color=colour, width=1),
            showlegend=False,
            customdata=part[["layer", "channel"]].values.tolist(),
        )
        figure.add_trace(
            go.Scatter(y=part["max"], name=f"{modality} max", hovertemplate=_hover(modality, "largest"), **shared), row, 1
        )
        fill = dict(fill="tonexty", fillcolor=faded(colour, 0.35))
        low = go.Scatter(y=part["min"], name=f"{modality} min", hovertemplate=_hover(modality, "smallest"), **fill, **shared)
        figure.add_trace(low, row, 1)
    joined = int(frame["channels"].max())
    note = f" (each point spans {joined} channels, by their extremes)" if joined > 1 else ""
    figure.update_xaxes(title_text=f"Input channel (index){note}", row=len(names), col=1)
    figure.update_yaxes(title_text="Activation<br>(activation units)", row=(len(names) + 1) // 2, col=1)
    return lay_out(figure, 120 + 130 * len(names), legend=False)


def _hover(modality: str, end: str) -> str:
    return f"channel %{{customdata[1]}}<br>{modality}, {end}: %{{y:.3g}}<extra></extra>"
