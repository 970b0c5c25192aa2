"""Harm of single groups added up, beside the harm of all of them at once, by subject."""

import pandas as pd
import plotly.graph_objects as go

from morphoquant.figures.theme import NEUTRAL, faded, lay_out, subject_colour, three_digits


def sum_bars(frame: pd.DataFrame) -> go.Figure:
    """Draws the frame of `sum_and_whole`: the sum pale, the whole full."""
    figure = go.Figure()
    for column, name, opacity in (("sum", "sum over groups quantised alone", 0.4), ("whole", "all groups at once", 1.0)):
        part = frame[frame[column].notna()]
        if part.empty:
            continue
        figure.add_trace(
            go.Bar(
                x=part["subject"],
                y=part[column],
                name=name,
                showlegend=False,
                marker=dict(color=[faded(subject_colour(subject), opacity) for subject in part["subject"]]),
                text=[three_digits(value) for value in part[column]],
                textposition="outside",
                cliponaxis=False,
                customdata=[[None, None]] * len(part),
                hovertemplate=f"%{{x}}, {name}: %{{y:.3g}} nats<extra></extra>",
            )
        )
        key = dict(color=faded(NEUTRAL, opacity), size=11, symbol="square")
        figure.add_trace(go.Scatter(x=[None], y=[None], mode="markers", marker=key, name=name))
    figure.update_layout(barmode="group", bargap=0.3)
    figure.update_xaxes(title_text="Asked about", showgrid=False, type="category")
    figure.update_yaxes(title_text="KL of the answers to full precision (nats)", rangemode="tozero")
    return lay_out(figure)
