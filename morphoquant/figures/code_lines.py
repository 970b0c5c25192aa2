"""How many of its codes a channel uses: the distribution over channels, by modality."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from morphoquant.figures.theme import lay_out, modality_colour, modality_order


def code_lines(frame: pd.DataFrame) -> go.Figure:
    """Draws the frame of `codes_used`: share of channels that use at most so many codes."""
    figure = go.Figure()
    available = int(frame["available"].max())
    for modality in modality_order(frame["modality"]):
        used = frame.loc[frame["modality"] == modality, "used"].to_numpy()
        counts = np.bincount(used, minlength=available + 1)
        middle = float(np.median(used))
        figure.add_trace(
            go.Scatter(
                x=np.arange(available + 1),
                y=100.0 * np.cumsum(counts) / len(used),
                mode="lines",
                name=f"{modality}, median {middle:g}",
                line=dict(color=modality_colour(modality), width=2, shape="hv"),
                hovertemplate=f"%{{y:.3g}} % of channels use at most %{{x}} codes for {modality}<extra></extra>",
            )
        )
    figure.update_xaxes(title_text=f"Codes in use, of {available} (count)", range=[0, available + 0.5])
    figure.update_yaxes(title_text="Share of channels with at most so many (%)", range=[0, 103])
    return lay_out(figure)
