"""Many methods against each other: sorted rows of dots with their numbers, one panel a modality, all on one scale."""

from textwrap import wrap

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from morphoquant.figures.theme import lay_out, modality_colour, modality_order, three_digits
from morphoquant.figures.ticks import escaped

_LETTERS, _LINE = 30, 13  # letters of a row's label in a line, pixels of a line


def method_dots(frame: pd.DataFrame, column: str, axis: str) -> go.Figure:
    """Draws one column of `compare_methods`, the run whose weakest modality keeps most on top.

    Args:
        frame: label, modality, worst_layer and `column`; infinite where nothing is lost.
        column: what is shown.
        axis: its axis title with unit.
    """
    names = modality_order(frame["modality"])
    weakest = frame.groupby("label", sort=False)[column].min().sort_values(ascending=False, kind="stable")
    rows = ["<br>".join(wrap(escaped(label), _LETTERS)) for label in weakest.index]
    row_of = dict(zip(weakest.index, rows, strict=True))
    figure = make_subplots(rows=1, cols=len(names), shared_yaxes=True, subplot_titles=names, horizontal_spacing=0.015)
    for place, modality in enumerate(names, 1):
        part = frame[frame["modality"] == modality]
        finite = np.isfinite(part[column].to_numpy(float))
        figure.add_trace(
            go.Scatter(
                # A run without any loss has a word at the end of the scale, and no dot.
                x=part[column].where(finite, part.loc[finite, column].max() if finite.any() else 0.0),
                y=[row_of[label] for label in part["label"]],
                mode="markers+text",
                name=modality,
                marker=dict(color=modality_colour(modality), size=[9 if known else 0.1 for known in finite]),
                text=[three_digits(value) for value in part[column]],
                textposition="middle right",
                textfont=dict(size=12),
                cliponaxis=False,
                customdata=[[layer, None] for layer in part["worst_layer"]],
                hovertemplate=f"%{{y}}<br>{modality}: %{{text}}<br>worst layer: %{{customdata[0]}}<extra></extra>",
            ),
            1,
            place,
        )
    values = frame[column].to_numpy(float)
    values = values[np.isfinite(values)] if np.isfinite(values).any() else np.zeros(1)
    low, high = float(values.min()), float(values.max())
    span = (high - low) or 1.0
    # The numbers stand right of their dots and need room within the panel.
    figure.update_xaxes(range=[low - 0.12 * span, high + 0.75 * span], nticks=4, title=dict(text=axis, font=dict(size=12)))
    for place in range(1, len(names) + 1):
        broken = axis.replace(", ", ",<br>", 1).replace(" (", "<br>(", 1) if len(names) > 1 else axis
        figure.update_xaxes(title_text=broken, row=1, col=place)
    figure.update_yaxes(
        type="category", categoryorder="array", categoryarray=rows, range=[len(rows) - 0.4, -0.6], dtick=1, tickfont=dict(size=12)
    )
    lines = max(row.count("<br>") + 1 for row in rows)
    return lay_out(figure, 150 + len(rows) * (10 + _LINE * min(lines, 2)), legend=False)
