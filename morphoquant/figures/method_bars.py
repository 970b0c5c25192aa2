"""Methods against each other, by modality: bars for a few runs, sorted rows of dots for many."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from morphoquant.figures.method_dots import method_dots
from morphoquant.figures.theme import lay_out, modality_colour, modality_order, three_digits
from morphoquant.figures.ticks import escaped

MOST_BARS = 6


def method_bars(frame: pd.DataFrame, column: str, axis: str) -> go.Figure:
    """Draws one column of `compare_methods`."""
    frame = frame[frame[column].notna()]
    labels = list(dict.fromkeys(_label(label) for label in frame["label"]))
    return _bars(frame, column, axis, labels) if len(labels) <= MOST_BARS else method_dots(frame, column, axis)


def _label(label: str) -> str:
    """Method, fields and spec under each other, so that the labels of neighbours do not touch."""
    head, _, spec = escaped(label).rpartition(" ")
    return "<br>".join([*head.replace(" (", "<br>(", 1).split("<br>"), spec])


def _bars(frame: pd.DataFrame, column: str, axis: str, labels: list[str]) -> go.Figure:
    figure = go.Figure()
    for modality in modality_order(frame["modality"]):
        part = frame[frame["modality"] == modality]
        figure.add_trace(
            go.Bar(
                x=[_label(label) for label in part["label"]],
                y=part[column].where(np.isfinite(part[column])),
                name=modality,
                marker=dict(color=modality_colour(modality)),
                text=[three_digits(value) for value in part[column]],
                textposition="outside",
                cliponaxis=False,
                customdata=[[layer, None] for layer in part["worst_layer"]],
                hovertemplate=f"%{{x}}<br>{modality}: %{{y:.3g}}<br>worst layer: %{{customdata[0]}}<extra></extra>",
            )
        )
    figure.update_layout(barmode="group", bargap=0.2)
    figure.update_xaxes(
        type="category", categoryorder="array", categoryarray=labels, showgrid=False, title_text="Method and spec"
    )
    figure.update_yaxes(title_text=axis)
    return lay_out(figure)
