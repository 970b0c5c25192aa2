"""How far two modalities agree on their outlier channels: pooled as bars, layer by layer as a map beside them."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from morphoquant.figures.theme import MAGNITUDE, NEUTRAL, lay_out, three_digits
from morphoquant.figures.ticks import thinned


def overlap_bars(frame: pd.DataFrame) -> go.Figure:
    """Draws the frame of `mask_overlap`: a row a pair of modalities, a column of the map a layer."""
    frame = frame.assign(pair=frame["modality"] + " and " + frame["other"])
    pooled, single = frame[frame["layer"].isna()], frame[frame["layer"].notna()]
    pairs = list(dict.fromkeys(pooled["pair"]))
    layers = single.drop_duplicates("layer").sort_values("order")
    cells = np.full((len(pairs), len(layers)), np.nan)
    place = {layer: index for index, layer in enumerate(layers["layer"])}
    shown = single[single["pair"].isin(pairs)]
    cells[shown["pair"].map(pairs.index), shown["layer"].map(place)] = shown["jaccard"]
    figure = make_subplots(rows=1, cols=2, shared_yaxes=True, column_widths=[0.28, 0.72], horizontal_spacing=0.15)
    figure.add_trace(
        go.Bar(
            y=pairs,
            x=pooled["jaccard"],
            orientation="h",
            marker=dict(color=NEUTRAL),
            text=[three_digits(value) for value in pooled["jaccard"]],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{y}: %{x:.3g}<extra></extra>",
        ),
        1,
        1,
    )
    figure.add_trace(
        go.Heatmap(
            z=cells,
            x=np.arange(len(layers)),
            y=pairs,
            coloraxis="coloraxis",
            customdata=np.broadcast_to(layers["label"].to_numpy(object), cells.shape),
            hoverongaps=False,
            hovertemplate="%{customdata}<br>%{y}: %{z:.3g}<extra></extra>",
        ),
        1,
        2,
    )
    widest = float(pooled["jaccard"].max()) if len(pooled) else 0.0
    figure.update_xaxes(title_text="Jaccard index,<br>all layers", range=[0, 1.35 * widest or 1.0], nticks=4, row=1, col=1)
    places, labels = thinned(list(layers["label"]))
    title = "Layer, in the order of the model"
    figure.update_xaxes(title_text=title, tickvals=places, ticktext=labels, tickangle=-35, showgrid=False, row=1, col=2)
    figure.update_yaxes(autorange="reversed", showgrid=False)
    bar = dict(title=dict(text="Jaccard<br>index"), thickness=14)
    most = float(np.nanmax(cells)) if np.isfinite(cells).any() else 1.0
    figure.update_layout(bargap=0.3, coloraxis=dict(colorscale=MAGNITUDE, cmin=0.0, cmax=most or 1.0, colorbar=bar))
    return lay_out(figure, 190 + 28 * len(pairs), legend=False)
