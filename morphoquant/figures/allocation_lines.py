"""Mean bits against KL: the front of what is chosen by the sum of single groups, and what was measured."""

import pandas as pd
import plotly.graph_objects as go

from morphoquant.figures.theme import EMPHASIS, NEUTRAL, lay_out, three_digits
from morphoquant.figures.ticks import escaped


def allocation_lines(frame: pd.DataFrame, axis: str) -> go.Figure:
    """Draws the frame of `allocation_front`: sums as a stair and open dots, measurements as full dots with their intervals."""
    front, measured = (frame[frame["kind"] == kind] for kind in ("front", "measured"))
    figure = go.Figure(
        go.Scatter(
            x=front["bits"],
            y=front["sum"],
            mode="lines",
            name="least sum of the groups, each quantised alone",
            line=dict(color=NEUTRAL, width=2, shape="hv"),
            text=[escaped(groups) for groups in front["groups"]],
            customdata=[[None, None]] * len(front),
            hovertemplate="%{x:.3g} bits: sum %{y:.3g} nats<br>groups: %{text}<extra></extra>",
        )
    )
    if len(measured):
        _measured(figure, measured)
    figure.update_xaxes(title_text=axis)
    figure.update_yaxes(title_text="KL of the answers to full precision (nats)", rangemode="tozero")
    return lay_out(figure)


def _measured(figure: go.Figure, measured: pd.DataFrame) -> None:
    ends = measured[measured["kl_low"].notna()]
    xs, ys = [], []
    for bits, low, high in ends[["bits", "kl_low", "kl_high"]].itertuples(index=False, name=None):
        xs, ys = [*xs, bits, bits, None], [*ys, low, high, None]
    figure.add_trace(go.Scatter(x=xs, y=ys, mode="lines", line=dict(color=EMPHASIS, width=2), showlegend=False, hoverinfo="skip"))
    sums = measured[measured["sum"].notna()]
    figure.add_trace(
        go.Scatter(
            x=sums["bits"],
            y=sums["sum"],
            mode="markers",
            name="sum of the groups where it was measured",
            marker=dict(color=NEUTRAL, size=9, symbol="circle-open"),
            customdata=[[None, None]] * len(sums),
            hovertemplate="%{x:.3g} bits: sum %{y:.3g} nats<extra></extra>",
        )
    )
    figure.add_trace(
        go.Scatter(
            x=measured["bits"],
            y=measured["kl"],
            mode="markers",
            name="measured, 95 % interval" if len(ends) else "measured",
            marker=dict(color=EMPHASIS, size=10, line=dict(color="white", width=1)),
            text=[_words(row) for row in measured.itertuples()],
            customdata=[[None, None]] * len(measured),
            hovertemplate="%{text}<extra></extra>",
        )
    )


def _words(row) -> str:
    span = "" if pd.isna(row.kl_low) else f", 95 %: {three_digits(row.kl_low)} to {three_digits(row.kl_high)}"
    sums = "" if pd.isna(row.sum) else f"<br>sum of the groups {three_digits(row.sum)} nats"
    return f"{escaped(row.label)}<br>{three_digits(row.bits)} bits: {three_digits(row.kl)} nats{span}{sums}"
