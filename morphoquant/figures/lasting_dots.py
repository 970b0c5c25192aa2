"""Channels that stay outliers through the depth: a row a channel, a dot a modality."""

import pandas as pd
import plotly.graph_objects as go

from morphoquant.figures.theme import NEUTRAL, lay_out, modality_colour, modality_order
from morphoquant.figures.ticks import escaped

MOST_ROWS = 24
_SYMBOLS = ("circle", "square-open", "diamond-open", "cross", "x", "star")


def lasting_dots(frame: pd.DataFrame, limit: float) -> go.Figure:
    """Draws the frame of `lasting_channels`: the channels that are outliers most often, the most lasting on top.

    Args:
        frame: its rows.
        limit: share of the inputs, in percent, from which on a channel lasts.
    """
    rank = frame.groupby("channel")["share_percent"].agg(["max", "sum"])
    top = rank.sort_values(["max", "sum"], ascending=False, kind="stable").index[:MOST_ROWS]
    names = [f"channel {channel}" for channel in top]
    figure = go.Figure()
    for place, modality in enumerate(modality_order(frame["modality"])):
        part = frame[(frame["modality"] == modality) & frame["channel"].isin(top) & (frame["outlier"] > 0)]
        colour = modality_colour(modality)
        figure.add_trace(
            go.Scatter(
                x=part["share_percent"],
                y=[f"channel {channel}" for channel in part["channel"]],
                mode="markers",
                name=escaped(modality),
                marker=dict(color=colour, size=9, symbol=_SYMBOLS[place]),
                customdata=[[None, int(row.channel), int(row.outlier), int(row.inputs)] for row in part.itertuples()],
                hovertemplate=f"%{{y}}<br>{modality}: in %{{customdata[2]}} of %{{customdata[3]}} inputs<extra></extra>",
            )
        )
    figure.add_vline(x=limit, line=dict(color=NEUTRAL, width=2, dash="dot"))
    figure.update_xaxes(title_text="Layer inputs in which the channel is an outlier (%)", range=[-2, 102])
    figure.update_yaxes(type="category", categoryorder="array", categoryarray=names, autorange="reversed")
    return lay_out(figure, 110 + 22 * len(names))
