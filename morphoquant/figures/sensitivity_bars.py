"""The most harmful groups as lying bars, with a dot for each subject."""

import pandas as pd
import plotly.graph_objects as go

from morphoquant.core.evaluation import SUBJECTS
from morphoquant.figures.theme import faded, lay_out, subject_colour, three_digits
from morphoquant.figures.ticks import escaped

MOST = 15
_SYMBOLS = {"text": "circle", "image": "square", "audio": "diamond", "video": "triangle-up", "cross-modal": "cross"}


def sensitivity_bars(frame: pd.DataFrame, column: str, axis: str, scale: float) -> go.Figure:
    """Draws a column of the frame of `sensitivity`: bars for what ranks the groups, dots for the single subjects."""
    frame = frame[frame["rank"] <= MOST].assign(value=scale * frame[column])
    order = [escaped(label) for label in frame.sort_values("rank")["label"].drop_duplicates()]
    subjects = [name for name in SUBJECTS if name in set(frame["subject"])]
    single = len(subjects) == 1
    key = subjects[0] if single else "all"
    bars = frame[frame["subject"] == key]
    figure = go.Figure(
        go.Bar(
            y=[escaped(label) for label in bars["label"]],
            x=bars["value"],
            orientation="h",
            name=key if single else "all items",
            marker=dict(color=subject_colour(key) if single else faded(subject_colour(key), 0.45)),
            text=[three_digits(value) for value in bars["value"]] if single else None,
            textposition="outside",
            cliponaxis=False,
            customdata=[[group, None] for group in bars["group"]],
            hovertemplate=f"%{{y}}<br>{key}: %{{x:.3g}}<extra></extra>",
        )
    )
    for subject in () if single else subjects:
        part = frame[frame["subject"] == subject]
        figure.add_trace(
            go.Scatter(
                y=[escaped(label) for label in part["label"]],
                x=part["value"],
                mode="markers",
                name=subject,
                marker=dict(color=subject_colour(subject), size=9, symbol=_SYMBOLS[subject], line=dict(color="white", width=1)),
                customdata=[[group, None] for group in part["group"]],
                hovertemplate=f"%{{y}}<br>{subject}: %{{x:.3g}}<extra></extra>",
            )
        )
    figure.update_layout(bargap=0.25)
    figure.update_yaxes(type="category", categoryorder="array", categoryarray=order, range=[len(order) - 0.4, -0.6], dtick=1)
    low, high = min(0.0, float(frame["value"].min())), max(float(frame["value"].max()), 1e-9)
    figure.update_xaxes(title_text=axis, range=[1.1 * low, 1.1 * high])
    figure.update_yaxes(showgrid=False)
    return lay_out(figure, 120 + 30 * len(order))
