"""How far two modalities agree on their outlier channels: pooled as bars, layer by layer as points."""

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from morphoquant.figures.theme import lay_out, modality_colour, three_digits
from morphoquant.figures.ticks import thinned

_SYMBOLS = {"text": "circle", "image": "square-open", "audio": "diamond-open", "video": "cross", "special": "x"}


def overlap_bars(frame: pd.DataFrame) -> go.Figure:
    """Draws the frame of `mask_overlap`; a pair has the colour of its second modality and the symbol of its first."""
    pooled, single = frame[frame["layer"].isna()], frame[frame["layer"].notna()]
    pairs = list(dict.fromkeys(zip(pooled["modality"], pooled["other"], strict=True)))
    share = min(0.6, 0.12 + 0.05 * len(pairs))
    figure = make_subplots(rows=2, cols=1, row_heights=[share, 1 - share], vertical_spacing=0.16)
    layers = single.drop_duplicates("layer").sort_values("order")
    place = {layer: index for index, layer in enumerate(layers["layer"])}
    for one, other in pairs:
        name, colour = f"{one} and {other}", modality_colour(other)
        bar = pooled[(pooled["modality"] == one) & (pooled["other"] == other)]
        figure.add_trace(
            go.Bar(
                y=[name],
                x=bar["jaccard"],
                orientation="h",
                marker=dict(color=colour),
                text=[three_digits(value) for value in bar["jaccard"]],
                textposition="outside",
                cliponaxis=False,
                showlegend=False,
                offsetgroup="pair",
                hovertemplate=f"{name}: %{{x:.3g}}<extra></extra>",
            ),
            1,
            1,
        )
        part = single[(single["modality"] == one) & (single["other"] == other)]
        figure.add_trace(
            go.Scatter(
                x=part["layer"].map(place),
                y=part["jaccard"],
                mode="markers",
                name=name,
                marker=dict(color=colour, size=7, symbol=_SYMBOLS.get(one, "circle")),
                customdata=[[layer, None, label] for layer, label in zip(part["layer"], part["label"], strict=True)],
                hovertemplate=f"%{{customdata[2]}}<br>{name}: %{{y:.3g}}<extra></extra>",
            ),
            2,
            1,
        )
    figure.update_layout(bargap=0.25)
    figure.update_yaxes(autorange="reversed", showgrid=False, row=1, col=1)
    figure.update_xaxes(title_text="Jaccard index, all layers pooled (1 = same channels)", range=[0, 1.08], row=1, col=1)
    places, labels = thinned(list(layers["label"]))
    figure.update_xaxes(
        title_text="Layer, in the order of the model", tickvals=places, ticktext=labels, tickangle=-35, row=2, col=1
    )
    figure.update_yaxes(title_text="Jaccard index (1)", range=[-0.04, 1.04], row=2, col=1)
    return lay_out(figure, 430 + 26 * len(pairs), legend_rows=-(-len(pairs) // 6))
