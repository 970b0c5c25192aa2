"""Clipping against rounding, pooled over layers, by modality."""

import pandas as pd
import plotly.graph_objects as go

from morphoquant.figures.theme import EMPHASIS, NEUTRAL, lay_out, three_digits

_PARTS = (("round_nmse", "rounding", NEUTRAL), ("clip_nmse", "clipping", EMPHASIS))


def split_bars(frame: pd.DataFrame) -> go.Figure:
    """Draws the pooled rows of `clipping_and_rounding` as stacked bars."""
    figure = go.Figure()
    pooled = frame[frame["layer"].isna()]
    total = pooled["clip_nmse"] + pooled["round_nmse"]
    for place, (column, name, colour) in enumerate(_PARTS):
        figure.add_trace(
            go.Bar(
                x=pooled["modality"],
                y=100.0 * pooled[column],
                name=name,
                marker=dict(color=colour),
                text=[three_digits(100.0 * value) for value in total] if place else None,
                textposition="outside" if place else None,
                cliponaxis=False,
                hovertemplate=f"%{{x}}, {name}: %{{y:.3g}} %<extra></extra>",
            )
        )
    figure.update_layout(barmode="stack", bargap=0.45)
    figure.update_xaxes(title_text="Modality", showgrid=False)
    figure.update_yaxes(
        title_text="Squared error of layer inputs<br>(% of the signal)", range=[0, 112.0 * float(total.max()) or 1.0]
    )
    return lay_out(figure)


def split_differences(frame: pd.DataFrame) -> go.Figure:
    """Draws the pooled rows of `splits_less`: what is gained stands above zero, what is mended below."""
    figure = go.Figure()
    pooled = frame[frame["layer"].isna()]
    for column, name, colour in _PARTS:
        look = dict(marker=dict(color=colour), hovertemplate=f"%{{x}}, {name}: %{{y:+.3g}} percentage points<extra></extra>")
        figure.add_trace(go.Bar(x=pooled["modality"], y=100.0 * pooled[column], name=name, **look))
    figure.add_hline(y=0, line=dict(color=NEUTRAL, width=1))
    figure.update_layout(barmode="relative", bargap=0.45)
    figure.update_xaxes(title_text="Modality", showgrid=False)
    figure.update_yaxes(title_text="Change of the squared error<br>of layer inputs (% of the signal)")
    return lay_out(figure)
