"""The range of every channel, one panel a modality, on one scale."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from morphoquant.figures.theme import NEUTRAL, faded, lay_out, modality_colour, modality_order


def range_bands(frame: pd.DataFrame) -> go.Figure:
    """Draws the frame of `channel_ranges`: smallest and largest value of each channel, the span between them filled."""
    names = modality_order(frame["modality"])
    figure = make_subplots(
        rows=len(names), cols=1, shared_xaxes=True, shared_yaxes="all", vertical_spacing=0.28 / len(names), subplot_titles=names
    )
    for row, modality in enumerate(names, 1):
        part = frame[frame["modality"] == modality].sort_values("first_channel")
        colour = modality_colour(modality)
        shared = dict(
            x=part["first_channel"],
            mode="lines",
            line=dict(color=colour, width=1),
            showlegend=False,
            customdata=_clicks(part),
        )
        figure.add_trace(
            go.Scatter(
                y=part["max"].astype("float32"), name=f"{modality} max", hovertemplate=_hover(modality, "largest"), **shared
            ),
            row,
            1,
        )
        fill = dict(fill="tonexty", fillcolor=faded(colour, 0.35))
        low = go.Scatter(
            y=part["min"].astype("float32"), name=f"{modality} min", hovertemplate=_hover(modality, "smallest"), **fill, **shared
        )
        figure.add_trace(low, row, 1)
    return _titled(figure, frame, len(names), "Activation<br>(activation units)")


def range_differences(frame: pd.DataFrame) -> go.Figure:
    """Draws the frame of `ranges_less`: what each channel gains or loses, filled from zero, one panel a modality."""
    names = modality_order(frame["modality"])
    gaps = dict(shared_xaxes=True, shared_yaxes="all", vertical_spacing=0.28 / len(names))
    figure = make_subplots(rows=len(names), cols=1, subplot_titles=names, **gaps)
    for row, modality in enumerate(names, 1):
        part = frame[frame["modality"] == modality].sort_values("first_channel")
        colour = modality_colour(modality)
        line = go.Scatter(
            x=part["first_channel"],
            y=part["value"].astype("float32"),
            mode="lines",
            name=modality,
            line=dict(color=colour, width=1),
            fill="tozeroy",
            fillcolor=faded(colour, 0.35),
            showlegend=False,
            customdata=_clicks(part),
            hovertemplate=f"channel %{{customdata[1]}}<br>{modality}: %{{y:+.3g}}<extra></extra>",
        )
        figure.add_trace(line, row, 1)
        figure.add_hline(y=0, line=dict(color=NEUTRAL, width=1), row=row, col=1)
    return _titled(figure, frame, len(names), "Change of |activation|<br>(activation units)")


def _titled(figure: go.Figure, frame: pd.DataFrame, rows: int, axis: str) -> go.Figure:
    joined = int(frame["channels"].max())
    note = f"index, {joined} to a point by their extremes" if joined > 1 else "index"
    figure.update_xaxes(title_text=f"Input channel ({note})", row=rows, col=1)
    figure.update_yaxes(title_text=axis, row=(rows + 1) // 2, col=1)
    return lay_out(figure, 120 + 130 * rows, legend=False)


def _clicks(part: pd.DataFrame) -> np.ndarray:
    """Layer and channel of each point, as an array, which plotly does not look through value by value.

    The layer is the one that is looked at already; its name at every point would be most of the chart's weight.
    """
    found = np.full((len(part), 2), None)
    found[:, 1] = part["channel"].tolist()
    return found


def _hover(modality: str, end: str) -> str:
    return f"channel %{{customdata[1]}}<br>{modality}, {end}: %{{y:.3g}}<extra></extra>"
