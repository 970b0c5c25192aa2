"""Outlier channels of every layer, and where two runs differ in them: one map a modality, channels across, layers down."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from morphoquant.figures.panels import title_last
from morphoquant.figures.theme import DIFFERENCE, NEUTRAL, lay_out, modality_colour, modality_order, three_digits
from morphoquant.figures.ticks import escaped, thinned

LARGEST_COLUMNS = 320
_CLICKABLE = 2500
_ORDINARY = 1  # 0 is beyond the width of the layer, or no token of the modality
_BOTH, _LOST, _GAINED = NEUTRAL, DIFFERENCE[-2][1], DIFFERENCE[1][1]


def mask_map(frame: pd.DataFrame) -> go.Figure:
    """Draws the frame of `outlier_masks`; a cell is filled if any of its channels is an outlier in that modality.

    Clicks on a heat map select nothing in Streamlit, so that filled cells also carry invisible markers, unless there are
    too many of them for a light page.
    """
    names = modality_order(frame["modality"])
    titles = [f"{name}: {three_digits(_share(frame, name))} % of channels" for name in names]
    colours = [[modality_colour(name)] for name in names]
    return lay_out(*_maps(frame, names, titles, ("channels",), colours), legend=False)


def mask_differences(frame: pd.DataFrame) -> go.Figure:
    """Draws the frame of `masks_less`: outliers of both runs, of this one alone, and of the reference alone."""
    names = modality_order(frame["modality"])
    counts = {column: frame[column].str.split().str.len().groupby(frame["modality"]).sum() for column in ("gained", "lost")}
    titles = [f"{name}: {counts['gained'][name]:,} gained, {counts['lost'][name]:,} lost" for name in names]
    columns = ("both", "lost", "gained")
    figure, height = _maps(frame, names, titles, columns, [[_BOTH, _LOST, _GAINED]] * len(names))
    for name, colour in (("outlier in this run alone", _GAINED), ("in the reference alone", _LOST), ("in both", _BOTH)):
        figure.add_trace(go.Scatter(x=[None], y=[None], mode="markers", marker=dict(symbol="square", color=colour), name=name))
    return lay_out(figure, height)


def _maps(frame: pd.DataFrame, names: list[str], titles: list[str], columns, colours: list[list[str]]) -> tuple[go.Figure, int]:
    """One map a modality, and the height of all.

    Args:
        frame: layer, label, component, role, order, modality, width and `columns`, channels as text with spaces between.
        names: the modalities.
        titles: of their maps.
        columns: what is marked; a cell shows the last of them that one of its channels is in.
        colours: for each modality, those of the columns.
    """
    layers = frame.drop_duplicates("layer").sort_values("order")
    roles = {pair: rank for rank, pair in enumerate(dict.fromkeys(zip(layers["component"], layers["role"], strict=True)))}
    rank = [roles[pair] for pair in zip(layers["component"], layers["role"], strict=True)]
    layers = layers.assign(rank=rank).sort_values(["rank", "order"]).reset_index(drop=True)
    row_of = {layer: row for row, layer in enumerate(layers["layer"])}
    width = int(frame["width"].max())
    step = -(-width // LARGEST_COLUMNS)
    cols = min(2, len(names))
    rows = -(-len(names) // cols)
    gaps = dict(horizontal_spacing=0.04, vertical_spacing=0.14 / rows)
    figure = make_subplots(rows=rows, cols=cols, shared_xaxes="all", shared_yaxes="all", subplot_titles=titles, **gaps)
    dots = sum(frame[column].str.count(r"\d+").sum() for column in columns) <= _CLICKABLE
    for place, (modality, paints) in enumerate(zip(names, colours, strict=True)):
        part = frame[frame["modality"] == modality]
        cells = np.zeros((len(layers), -(-width // step)), dtype=np.uint8)
        where = dict(row=place // cols + 1, col=place % cols + 1)
        points: list[tuple[int, int, str]] = []
        for line in part.to_dict("records"):
            row = row_of[line["layer"]]
            cells[row, : -(-line["width"] // step)] = _ORDINARY
            for mark, column in enumerate(columns, _ORDINARY + 1):
                channels = np.array(line[column].split(), dtype=np.int64)
                cells[row, channels // step] = mark
                points += [(int(channel), row, line["layer"]) for channel in channels] if dots else []
        last = _ORDINARY + len(columns)
        figure.add_trace(
            go.Heatmap(
                z=cells,
                x=np.arange(cells.shape[1]) * step + (step - 1) / 2,
                y=np.arange(len(layers)),
                zmin=0,
                zmax=last,
                colorscale=[
                    [0, "rgba(128,128,128,0)"],
                    [_ORDINARY / last, "rgba(128,128,128,0.12)"],
                    *[[(_ORDINARY + mark) / last, paint] for mark, paint in enumerate(paints, 1)],
                ],
                showscale=False,
                hoverinfo="skip" if dots else "x+y",
                name=modality,
            ),
            **where,
        )
        if points:
            figure.add_trace(
                go.Scatter(
                    x=[point[0] for point in points],
                    y=[point[1] for point in points],
                    mode="markers",
                    marker=dict(symbol="square", size=6, color=paints[-1], opacity=0),
                    customdata=[[point[2], point[0]] for point in points],
                    hovertemplate="%{customdata[0]}<br>channel %{customdata[1]}<extra></extra>",
                    name=modality,
                    showlegend=False,
                ),
                **where,
            )
    places, labels = thinned([escaped(label) for label in layers["label"]], most=14)
    figure.update_yaxes(tickvals=places, ticktext=labels, showgrid=False, range=[len(layers) - 0.5, -0.5])
    figure.update_xaxes(showgrid=False, range=[-0.5, width - 0.5])
    note = f"index, {step} to a cell" if step > 1 else "index"
    title_last(figure, f"Input channel ({note})", len(names), cols)
    return figure, 80 + rows * max(200, min(300, 5 * len(layers)))


def _share(frame: pd.DataFrame, modality: str) -> float:
    part = frame[frame["modality"] == modality]
    return 100.0 * float(part["masked"].sum()) / float(part["width"].sum())
