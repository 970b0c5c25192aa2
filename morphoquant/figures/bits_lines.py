"""SQNR over bit-width as the histograms predict it, with measured runs on top."""

import pandas as pd
import plotly.graph_objects as go

from morphoquant.figures.theme import NEUTRAL, lay_out, modality_colour, modality_order
from morphoquant.figures.ticks import escaped

_SYMBOLS = ("circle-open", "square-open", "diamond-open", "triangle-up-open", "triangle-down-open", "star-open", "cross-open")


def bits_lines(frame: pd.DataFrame) -> go.Figure:
    """Draws rows of kind "predicted" as lines by modality and rows of kind "measured" as open markers by run."""
    figure = go.Figure()
    predicted, measured = frame[frame["kind"] == "predicted"], frame[frame["kind"] == "measured"]
    for modality in modality_order(predicted["modality"]):
        part = predicted[predicted["modality"] == modality].sort_values("bits")
        figure.add_trace(
            go.Scatter(
                x=part["bits"],
                y=part["sqnr_db"],
                mode="lines",
                name=modality,
                line=dict(color=modality_colour(modality), width=2),
                customdata=part[["layer"]].assign(channel=None).values.tolist(),
                hovertemplate=f"{modality}, %{{x}} bits: %{{y:.3g}} dB predicted<extra></extra>",
            )
        )
    for place, (label, part) in enumerate(measured.groupby("label_run", sort=False)):
        name, symbol = escaped(label), _SYMBOLS[place % len(_SYMBOLS)]
        key = dict(color=NEUTRAL, size=10, symbol=symbol)
        figure.add_trace(go.Scatter(x=[None], y=[None], mode="markers", marker=key, name=f"measured: {name}"))
        figure.add_trace(
            go.Scatter(
                x=part["bits"],
                y=part["sqnr_db"],
                mode="markers",
                name=name,
                showlegend=False,
                marker=dict(color=[modality_colour(m) for m in part["modality"]], size=10, symbol=symbol),
                customdata=[[layer, None, m] for layer, m in zip(part["layer"], part["modality"], strict=True)],
                hovertemplate=f"{name}<br>%{{customdata[2]}}, %{{x}} bits: %{{y:.3g}} dB measured<extra></extra>",
            )
        )
    figure.update_xaxes(title_text="Activation bit-width (bits)", dtick=1)
    figure.update_yaxes(title_text="SQNR of the layer input (dB)")
    return lay_out(figure)
