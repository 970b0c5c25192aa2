"""Differences of two evaluations, one row a task: filled where they are more than noise, hollow where they are not."""

import pandas as pd
import plotly.graph_objects as go

from morphoquant.figures.theme import NEUTRAL, lay_out, subject_colour
from morphoquant.figures.ticks import escaped

_KINDS = (("differs", "more than noise", "circle"), ("noise", "not to be told from noise", "circle-open"))


def difference_dots(frame: pd.DataFrame) -> go.Figure:
    """Draws the frame of `paired`, with columns first_label and second_label for the axis."""
    by = "task" if "task" in frame else "subject"
    frame = frame.assign(**{name: 100.0 * frame[name] for name in ("difference", "low", "high")})
    figure = go.Figure()
    for row in frame.itertuples():
        name, line = escaped(getattr(row, by)), dict(color=subject_colour(row.subject), width=2)
        look = dict(mode="lines", line=line, hoverinfo="skip", showlegend=False)
        figure.add_trace(go.Scatter(x=[row.low, row.high], y=[name, name], **look))
    for verdict, name, symbol in _KINDS:
        part = frame[frame["verdict"] == verdict]
        key = dict(color=NEUTRAL, size=10, symbol=symbol)
        figure.add_trace(go.Scatter(x=[None], y=[None], mode="markers", marker=key, name=name))
        if part.empty:
            continue
        figure.add_trace(
            go.Scatter(
                x=part["difference"],
                y=[escaped(value) for value in part[by]],
                mode="markers",
                marker=dict(color=[subject_colour(subject) for subject in part["subject"]], size=11, symbol=symbol),
                showlegend=False,
                customdata=part[["p_holm", "first_only", "second_only", "items"]]
                .assign(layer=None, channel=None)[["layer", "channel", "p_holm", "first_only", "second_only", "items"]]
                .values.tolist(),
                hovertemplate="%{y}: %{x:+.1f} points, p = %{customdata[2]:.3g}<br>lost %{customdata[3]}, won %{customdata[4]} "
                "of %{customdata[5]} items<extra></extra>",
            )
        )
    figure.add_vline(x=0.0, line=dict(color=NEUTRAL, width=1))
    reach = 1.08 * max(float(frame[["low", "high"]].abs().max(axis=None)), 1.0)
    first, second = (escaped(frame[name].iat[0]) for name in ("first_label", "second_label"))
    figure.update_xaxes(title_text=f"Accuracy of {second} less that of {first} (percentage points)", range=[-reach, reach])
    order = [escaped(value) for value in frame[by]]
    figure.update_yaxes(type="category", categoryorder="array", categoryarray=order, range=[len(order) - 0.4, -0.6], dtick=1)
    return lay_out(figure, 130 + 32 * len(order))
