"""Scores of channels from the highest down, and the limit that splits them."""

import pandas as pd
import plotly.graph_objects as go

from morphoquant.figures.theme import EMPHASIS, NEUTRAL, lay_out, three_digits

# Channels that are drawn one by one; of the others as many again, evenly spread.
_SHOWN = 200


def score_lines(frame: pd.DataFrame) -> go.Figure:
    """Draws the frame of `mask_frame`: score over rank, bypassed channels apart from the others."""
    figure = go.Figure()
    line = dict(color=NEUTRAL, width=1)
    thin = _thinned(frame)
    figure.add_trace(go.Scatter(x=thin["rank"], y=thin["score"], mode="lines", line=line, showlegend=False, hoverinfo="skip"))
    masked = int(frame["masked"].sum())
    kinds = ((True, f"bypasses: {masked:,} channels", EMPHASIS), (False, f"on the grid alone: {len(frame) - masked:,}", NEUTRAL))
    for bypasses, name, colour in kinds:
        part = thin[thin["masked"] == bypasses]
        if part.empty:
            continue
        figure.add_trace(
            go.Scatter(
                x=part["rank"],
                y=part["score"],
                mode="markers",
                name=name,
                marker=dict(color=colour, size=6),
                customdata=part[["layer", "channel"]].values.tolist(),
                hovertemplate="channel %{customdata[1]}: score %{y:.3g}<extra></extra>",
            )
        )
    limit = float(frame["limit"].iat[0])
    if limit < float("inf"):
        ends = [float(frame["rank"].min()), float(frame["rank"].max())]
        look = dict(color=EMPHASIS, width=2, dash="dot")
        figure.add_trace(go.Scatter(x=ends, y=[limit, limit], mode="lines", name=f"limit: {three_digits(limit)}", line=look))
    figure.update_xaxes(title_text="Channel, by rank of its score (log scale)", type="log", dtick=1)
    positive = bool((frame["score"] > 0).any())
    unit = "Dispersion score (activation units"
    figure.update_yaxes(title_text=f"{unit}, log scale)" if positive else f"{unit})", type="log" if positive else "linear")
    return lay_out(figure, legend_rows=2)


def _thinned(frame: pd.DataFrame) -> pd.DataFrame:
    rest = len(frame) - _SHOWN
    if rest <= _SHOWN:
        return frame
    keep = (frame["rank"] <= _SHOWN) | (frame["rank"] % (rest // _SHOWN + 1) == 0) | (frame["rank"] == len(frame))
    return frame[keep]
