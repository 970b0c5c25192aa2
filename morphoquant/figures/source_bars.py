"""Output SQNR with weights, activations or both quantised, by modality."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from morphoquant.figures.theme import SERIES, lay_out, three_digits

_SOURCES = (("weight", "weights only", SERIES[1]), ("activation", "activations only", SERIES[0]), ("both", "both", SERIES[4]))


def source_bars(frame: pd.DataFrame) -> go.Figure:
    """Draws the frame of `error_sources` as grouped bars with their numbers; an exact source has no bar."""
    figure = go.Figure()
    for source, name, colour in _SOURCES:
        part = frame[frame["source"] == source]
        if part.empty:
            continue
        figure.add_trace(
            go.Bar(
                x=part["modality"],
                y=part["sqnr_db"].where(np.isfinite(part["sqnr_db"])),
                name=name,
                marker=dict(color=colour),
                text=[three_digits(value) for value in part["sqnr_db"]],
                textposition="outside",
                cliponaxis=False,
                hovertemplate=f"%{{x}}, {name}: %{{y:.3g}} dB<extra></extra>",
            )
        )
    figure.update_layout(barmode="group", bargap=0.25)
    figure.update_xaxes(title_text="Modality", showgrid=False)
    figure.update_yaxes(title_text="Output SQNR, layers pooled (dB)")
    return lay_out(figure)
