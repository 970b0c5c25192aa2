"""Ridgelines: the distribution of each block's input, one under the other, a panel for each modality."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from morphoquant.figures.theme import HEIGHT, faded, lay_out, modality_colour, modality_order, three_digits
from morphoquant.figures.ticks import escaped, thinned

_REACH = 2.2  # rows that the highest ridge of a panel spans
_ROW = 17  # pixels


def ridge_lines(frame: pd.DataFrame) -> go.Figure:
    """Draws the frame of `range_ridges`; the dot of a ridge is the largest value."""
    names = modality_order(frame["modality"])
    layers = frame.drop_duplicates("layer").reset_index(drop=True)
    place = {layer: -index for index, layer in enumerate(layers["layer"])}
    titles = [escaped(name) for name in names]
    figure = make_subplots(rows=1, cols=len(names), shared_yaxes="all", subplot_titles=titles, horizontal_spacing=0.02)
    traces, columns = [], []
    for number, name in enumerate(names, 1):
        own = frame[frame["modality"] == name]
        colour, scale = modality_colour(name), _REACH / max(float(own["per_octave_percent"].max()), 1e-12)
        found = [_ridge(rows, place[layer], scale, colour) for layer, rows in own.groupby("layer", sort=False)]
        found.append(_largest(own.drop_duplicates("layer"), place, colour))
        traces, columns = traces + found, columns + [number] * len(found)
    # All at once: one after the other, adding would take most of the time.
    figure.add_traces(traces, rows=[1] * len(traces), cols=columns)
    places, labels = thinned([_block(row) for row in layers.itertuples()])
    figure.update_yaxes(tickvals=[-at for at in places], ticktext=labels, showgrid=False, range=[0.6 - len(layers), _REACH + 0.3])
    figure.update_yaxes(title_text=_depth(frame, len(layers)), col=1)
    low, high = (np.log10([frame["low"].min(), frame["high"].max()]) + [-0.1, 0.1]).round(3)
    figure.update_xaxes(type="log", range=[low, high], dtick=1 if high - low < 4 else 2)
    figure.update_xaxes(title_text="|activation| (activation units, log scale)", col=(len(names) + 1) // 2)
    return lay_out(figure, max(HEIGHT, 110 + _ROW * len(layers)), legend=False)


def _ridge(rows: pd.DataFrame, base: float, scale: float, colour: str) -> go.Scatter:
    filled = np.flatnonzero(rows["per_octave_percent"].to_numpy())
    rows = rows.iloc[filled[0] : filled[-1] + 1]
    middle = np.sqrt(rows["low"].to_numpy() * rows["high"].to_numpy())
    heights = base + scale * rows["per_octave_percent"].to_numpy()
    ends = [float(rows["low"].iat[0]), float(rows["high"].iat[-1])]
    return go.Scatter(
        x=[ends[0], *middle.round(9), ends[1]],
        y=[base, *heights.round(3), base],
        mode="lines",
        fill="toself",
        fillcolor=faded(colour, 0.5),
        line=dict(color=colour, width=1),
        hoverinfo="skip",
        showlegend=False,
    )


def _largest(rows: pd.DataFrame, place: dict[str, int], colour: str) -> go.Scatter:
    return go.Scatter(
        x=rows["absmax"],
        y=[place[layer] for layer in rows["layer"]],
        mode="markers",
        marker=dict(color=colour, size=6, symbol="circle"),
        customdata=rows[["layer", "channel"]].values.tolist(),
        text=[
            f"{escaped(row.label)}, channel {row.channel}<br>largest {escaped(row.modality)}: {three_digits(row.absmax)}"
            for row in rows.itertuples()
        ],
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
    )


def _block(row) -> str:
    return row.label if pd.isna(row.block) else str(row.block)


def _depth(frame: pd.DataFrame, shown: int) -> str:
    first = frame.iloc[0]
    words = [f"Block ({first['component']}, {escaped(first['role'])}"]
    if first["kept"] < first["inputs"]:
        words.append(f"{shown} of {first['inputs']}, with histogram")
    elif shown < first["kept"]:
        words.append(f"{shown} of {first['inputs']}")
    return "; ".join(words) + ")"
