"""One attention map in full precision, quantised, and the change: queries down, keys across, modalities along both."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from morphoquant.figures.theme import DIFFERENCE, MAGNITUDE, lay_out, modality_colour, modality_order
from morphoquant.figures.ticks import escaped

LEAST = 1e-3  # weights below it are drawn as this
_TICKS = 6
_BAND = (0.6, 2.4)  # of the modalities' bands beyond the map, in cells
_DOMAINS = ([0.0, 0.27], [0.31, 0.58], [0.73, 1.0])
_LINE = "rgba(128,128,128,0.55)"


def attention_maps(frame: pd.DataFrame) -> go.Figure:
    """Draws the frame of `attention_pair`; lines and bands mark where one modality ends and the next begins."""
    cells = _cells(frame)
    place = {start: index for index, start in enumerate(cells["start"])}
    grids = {name: np.full((len(cells), len(cells)), np.nan) for name in ("full", "quantised", "change")}
    rows, columns = frame["query"].map(place), frame["key"].map(place)
    for name, grid in grids.items():
        grid[rows, columns] = frame[name]
    first = frame.iloc[0]
    heads = "all heads" if first["head"] is None else f"head {first['head']}"
    where = f"sample {first['sample']}, block {first['block']}, {heads}"
    titles = ["full precision", escaped(first["label_run"]), f"change: {where}"]
    figure = make_subplots(1, 3, subplot_titles=titles, shared_yaxes=True)
    hover = _hover(frame, grids)
    for number, (name, grid) in enumerate(grids.items(), 1):
        shown = grid if name == "change" else np.log10(np.maximum(grid, LEAST))
        figure.add_trace(
            go.Heatmap(
                z=shown,
                coloraxis="coloraxis2" if name == "change" else "coloraxis",
                text=hover,
                hovertemplate="%{text}<extra></extra>",
            ),
            row=1,
            col=number,
        )
    # All at once: each shape that is added by itself checks all those before it.
    figure.update_layout(shapes=[shape for number in range(1, len(grids) + 1) for shape in _modalities(cells, number)])
    _axes(figure, cells)
    # The first token takes in what others lose, many times more than any other: its column does not set the scale.
    changes = np.abs(grids["change"][:, 1:])
    reach = max(float(np.nanmax(changes, initial=0.0)), LEAST)
    powers = np.arange(np.log10(LEAST), 0.5)
    figure.update_layout(
        coloraxis=dict(
            colorscale=MAGNITUDE,
            cmin=powers[0],
            cmax=0.0,
            colorbar=dict(
                title=dict(text="Weight<br>(log scale)"),
                tickvals=powers.tolist(),
                ticktext=[f"{10**power:g}" for power in powers],
                x=0.59,
                thickness=12,
            ),
        ),
        coloraxis2=dict(
            colorscale=DIFFERENCE, cmin=-reach, cmax=reach, colorbar=dict(title=dict(text="Change"), x=1.01, thickness=12)
        ),
    )
    return lay_out(figure, 440)


def _cells(frame: pd.DataFrame) -> pd.DataFrame:
    """start, end and modality of each cell, in order."""
    sides = [frame[[side, f"{side}_end", f"{side}_modality"]].set_axis(["start", "end", "modality"], axis=1) for side in _SIDES]
    return pd.concat(sides).drop_duplicates("start").sort_values("start").reset_index(drop=True)


_SIDES = ("query", "key")


def _hover(frame: pd.DataFrame, grids: dict[str, np.ndarray]) -> np.ndarray:
    cells = _cells(frame)
    names = [
        f"{cell.modality} {cell.start}" + (f" to {cell.end}" if cell.end > cell.start else "") for cell in cells.itertuples()
    ]
    text = np.full(grids["full"].shape, "", dtype=object)
    for row, column in zip(*np.nonzero(~np.isnan(grids["full"])), strict=True):
        numbers = f"{grids['full'][row, column]:.3f} to {grids['quantised'][row, column]:.3f}"
        text[row, column] = f"{names[row]} attends to {names[column]}<br>{numbers}"
    return text


def _modalities(cells: pd.DataFrame, number: int) -> list[dict]:
    """Bands beside a map, and lines in it where the modality changes."""
    count, shapes = len(cells), []
    starts = [place for place in range(count) if place == 0 or cells["modality"][place] != cells["modality"][place - 1]]
    axes = dict(xref="x" if number == 1 else f"x{number}", yref="y" if number == 1 else f"y{number}")
    near, far = _BAND
    for start, end in zip(starts, [*starts[1:], count], strict=True):
        paint = dict(type="rect", fillcolor=modality_colour(cells["modality"][start]), line=dict(width=0), **axes)
        shapes.append(dict(x0=start - 0.5, x1=end - 0.5, y0=-0.5 - near, y1=-0.5 - far, **paint))
        shapes.append(dict(x0=count - 0.5 + near, x1=count - 0.5 + far, y0=start - 0.5, y1=end - 0.5, **paint))
        if start:
            line = dict(type="line", line=dict(color=_LINE, width=1), **axes)
            shapes.append(dict(x0=start - 0.5, x1=start - 0.5, y0=start - 0.5, y1=count - 0.5, **line))
            shapes.append(dict(x0=-0.5, x1=start - 0.5, y0=start - 0.5, y1=start - 0.5, **line))
    return shapes


def _axes(figure: go.Figure, cells: pd.DataFrame) -> None:
    count, far = len(cells), _BAND[1]
    places = list(range(0, count, max(1, -(-count // _TICKS))))
    ticks = dict(tickvals=places, ticktext=[str(cells["start"][place]) for place in places], showgrid=False)
    figure.update_yaxes(range=[count - 0.5, -0.7 - far], **ticks)
    figure.update_xaxes(range=[-0.5, count - 0.3 + far], title_text="Token attended to (position)", **ticks)
    figure.update_yaxes(title_text="Token that attends (position)", col=1)
    for number, domain in enumerate(_DOMAINS, 1):
        figure.update_xaxes(domain=domain, row=1, col=number)
        figure.layout.annotations[number - 1].x = sum(domain) / 2
    for name in modality_order(cells["modality"]):
        mark = dict(color=modality_colour(name), symbol="square", size=10)
        figure.add_trace(go.Scatter(x=[None], y=[None], mode="markers", marker=mark, name=name), row=1, col=1)
