"""Distributions of activations: magnitudes with their tails on log axes, or signed values on a linear one."""

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from morphoquant.figures.theme import HEIGHT, NEUTRAL, lay_out, modality_colour, modality_order


def magnitude_lines(frame: pd.DataFrame) -> go.Figure:
    """Draws the frame of `magnitude_histogram`: share of values an octave above, share beyond a magnitude below."""
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, vertical_spacing=0.06)
    for modality in modality_order(frame["modality"]):
        part = frame[(frame["modality"] == modality) & (frame["low"] > 0)]
        look = dict(mode="lines", name=modality, legendgroup=modality, line=dict(color=modality_colour(modality), width=2))
        edges = [*part["low"], *part["high"].iloc[-1:]]
        share = [value if value > 0 else None for value in part["per_octave_percent"]]
        above = [value if value > 0 else None for value in part["above_percent"]]
        hover = "%{{x:.3g}}: %{{y:.3g}} % of {name} values{more}<extra></extra>"
        steps = {**look, "line": dict(color=modality_colour(modality), width=2, shape="hv")}
        figure.add_trace(
            go.Scatter(x=edges, y=[*share, *share[-1:]], hovertemplate=hover.format(name=modality, more=" an octave"), **steps),
            1,
            1,
        )
        tail = hover.format(name=modality, more=" are at least as large")
        figure.add_trace(go.Scatter(x=part["low"], y=above, showlegend=False, hovertemplate=tail, **look), 2, 1)
    figure.update_xaxes(type="log")
    figure.update_xaxes(title_text="|activation| (activation units, log scale)", row=2, col=1)
    figure.update_yaxes(type="log")
    figure.update_yaxes(title_text="Share of values<br>an octave (%, log scale)", row=1, col=1)
    figure.update_yaxes(title_text="Share of values<br>above (%, log scale)", row=2, col=1)
    return lay_out(figure, HEIGHT + 160)


def share_differences(frame: pd.DataFrame) -> go.Figure:
    """Draws the frame of `shares_less`: percentage points an octave, above and below zero."""
    figure = go.Figure()
    for modality in modality_order(frame["modality"]):
        part = frame[frame["modality"] == modality]
        figure.add_trace(
            go.Scatter(
                x=[*part["low"], part["high"].iat[-1]],
                y=[*part["value"], part["value"].iat[-1]],
                mode="lines",
                name=modality,
                legendgroup=modality,
                line=dict(color=modality_colour(modality), width=2, shape="hv"),
                hovertemplate=f"from %{{x:.3g}}: %{{y:+.3g}} percentage points of {modality} values an octave<extra></extra>",
            )
        )
    figure.add_hline(y=0, line=dict(color=NEUTRAL, width=1))
    figure.update_xaxes(type="log", title_text="|activation| (activation units, log scale)")
    figure.update_yaxes(title_text="Change of the share of values<br>an octave (percentage points)")
    return lay_out(figure)


def density_lines(frame: pd.DataFrame) -> go.Figure:
    """Draws the frame of `signed_density`."""
    figure = go.Figure()
    add_density(figure, frame, {name: name for name in frame["modality"]})
    figure.update_xaxes(title_text="Activation (activation units)")
    figure.update_yaxes(title_text="Density (1 / activation unit, log scale)", type="log")
    return lay_out(figure)


def add_density(figure: go.Figure, frame: pd.DataFrame, names: dict[str, str], column: str = "density") -> None:
    """Adds one stepped line a modality to `figure`, named by `names`; empty bins are gaps."""
    for modality in modality_order(frame["modality"]):
        part = frame[frame["modality"] == modality].sort_values("low")
        heights = [value if value > 0 else None for value in part[column]]
        figure.add_trace(
            go.Scatter(
                x=[*part["low"], part["high"].iat[-1]],
                y=[*heights, heights[-1]],
                mode="lines",
                name=names[modality],
                legendgroup=modality,
                line=dict(color=modality_colour(modality), width=2, shape="hv"),
                hovertemplate=f"{modality}<br>from %{{x:.3g}}: %{{y:.3g}}<extra></extra>",
            )
        )
