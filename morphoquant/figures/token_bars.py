"""Tokens of each modality as lying bars with their numbers."""

import pandas as pd
import plotly.graph_objects as go

from morphoquant.figures.theme import lay_out, modality_colour

_PATTERNS = {"rest": "", "first": "/"}
_NAMES = {"rest": "rest of the sequence", "first": "first token"}


def token_bars(frame: pd.DataFrame) -> go.Figure:
    """Draws the frame of `tokens_by_modality`; first tokens of sequences are hatched."""
    figure = go.Figure()
    order = list(dict.fromkeys(frame["modality"]))
    totals = frame.groupby("modality")["tokens"].sum()
    positions = [name for name in ("rest", "first") if name in set(frame["position"])]
    for position in positions:
        part = frame[frame["position"] == position]
        last = [
            position == [p for p in positions if ((frame["modality"] == m) & (frame["position"] == p)).any()][-1]
            for m in part["modality"]
        ]
        figure.add_trace(
            go.Bar(
                y=part["modality"],
                x=part["tokens"],
                orientation="h",
                name=_NAMES[position],
                marker=dict(color=[modality_colour(m) for m in part["modality"]], pattern=dict(shape=_PATTERNS[position])),
                text=[f"{totals[m]:,}" if end else "" for m, end in zip(part["modality"], last, strict=True)],
                textposition="outside",
                customdata=[[None, None, samples] for samples in part["samples"]],
                hovertemplate="%{y}: %{x:,} tokens in %{customdata[2]} samples<extra></extra>",
                cliponaxis=False,
            )
        )
    figure.update_layout(barmode="stack", bargap=0.35)
    figure.update_yaxes(categoryorder="array", categoryarray=order, autorange="reversed", showgrid=False)
    figure.update_xaxes(title_text="Tokens of the model's input", range=[0, float(totals.max()) * 1.12])
    return lay_out(figure, 110 + 44 * len(order), legend=len(positions) > 1)
