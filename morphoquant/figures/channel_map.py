"""A measure of every channel over the depth, one map a modality: columns that run down are channels that stay large."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from morphoquant.figures.decades import decades
from morphoquant.figures.panels import title_last
from morphoquant.figures.theme import MAGNITUDE, lay_out, modality_order
from morphoquant.figures.ticks import thinned


def channel_map(frame: pd.DataFrame, label: str) -> go.Figure:
    """Draws the frame of `queries.channel_map`; colours are of the logarithm, a hover tells the value itself.

    Args:
        frame: its rows.
        label: the measure with its unit, for the colour bar.
    """
    names = modality_order(frame["modality"])
    layers = frame.drop_duplicates("row").sort_values("row")
    step = int(frame["channels"].max())
    width = int((frame["first_channel"] + frame["channels"]).max())
    shape = (int(frame["row"].max()) + 1, -(-width // step))
    across = min(2, len(names))
    down = -(-len(names) // across)
    gaps = dict(horizontal_spacing=0.04, vertical_spacing=0.14 / down)
    figure = make_subplots(rows=down, cols=across, shared_xaxes="all", shared_yaxes="all", subplot_titles=names, **gaps)
    axis = decades(frame["value"].to_numpy(float), label)
    for place, modality in enumerate(names):
        part = frame[frame["modality"] == modality]
        cells = np.full(shape, np.nan, np.float32)
        cells[part["row"], part["first_channel"] // step] = part["value"]
        figure.add_trace(
            go.Heatmap(
                z=axis.shade(cells),
                x=np.arange(shape[1]) * step + (step - 1) / 2,
                y=np.arange(shape[0]),
                customdata=cells,
                coloraxis="coloraxis",
                hoverongaps=False,
                hovertemplate=f"%{{y}}, channel %{{x:.0f}}<br>{modality}: %{{customdata:.3g}}<extra></extra>",
                name=modality,
            ),
            row=place // across + 1,
            col=place % across + 1,
        )
    places, labels = thinned(list(layers["label"]), most=14)
    figure.update_yaxes(tickvals=places, ticktext=labels, showgrid=False, range=[shape[0] - 0.5, -0.5])
    figure.update_xaxes(showgrid=False, range=[-0.5, width - 0.5])
    note = f"index, {step} to a cell by their largest" if step > 1 else "index"
    title_last(figure, f"Input channel ({note})", len(names), across)
    figure.update_layout(coloraxis=dict(colorscale=MAGNITUDE, cmin=axis.low, cmax=axis.high, colorbar=axis.bar))
    return lay_out(figure, 80 + down * max(220, min(340, 6 * shape[0])), legend=False)
