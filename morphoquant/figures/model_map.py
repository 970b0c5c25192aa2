"""A model drawn as its towers, connectors, blocks and head, a cell a linear, coloured by a number of each."""

import math

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from morphoquant.figures.marks import mark
from morphoquant.figures.model_layout import LONGEST, Layout, Part, lay_parts, row_name
from morphoquant.figures.theme import EMPHASIS, MAGNITUDE, NEUTRAL, lay_out, three_digits
from morphoquant.figures.ticks import escaped

_ROW = 25  # pixels
_MOST_NAMED = 14  # rows of a part that have their name beside them
_LINE = dict(color="rgba(128,128,128,0.6)", width=1.5)
_UNMEASURED = [[0, "rgba(128,128,128,0.18)"], [1, "rgba(128,128,128,0.18)"]]


def model_map(
    frame: pd.DataFrame, axis: str, *, log: bool = False, low_is_worse: bool = False, series: str = "modality", chosen=None
) -> go.Figure:
    """Draws the frame of one of `queries.model_map`.

    Cells of which several linears share a place, such as experts, have the colour of the worst. Clicks on a heat map select
    nothing in Streamlit, so that each cell carries an invisible marker.

    Args:
        frame: as said.
        axis: title of the colour bar, with the unit.
        log: whether colours follow the logarithm.
        low_is_worse: whether the smallest value is the worst.
        series: the column that says what a value is of.
        chosen: layer whose cell and block are framed, absent for none.
    """
    figure = go.Figure()
    layout = lay_parts(frame)
    cells = _cells(frame, series, low_is_worse)
    cells["colour"] = _logged(cells["shown"]) if log else cells["shown"].replace(np.inf, np.nan)
    low, high = cells["colour"].min(), cells["colour"].max()
    # What is exact, infinitely many dB, is as good as the best; what is zero has no logarithm and is as low as the lowest.
    cells["colour"] = cells["colour"].mask(cells["shown"] == np.inf, high).mask(log & (cells["shown"] == 0), low)
    notes = []
    for part in layout.parts:
        own = cells[cells["part"] == part.name]
        grey = own["colour"].isna()
        _heat(figure, part, own[grey].assign(colour=0.0), dict(colorscale=_UNMEASURED, showscale=False))
        _heat(figure, part, own[~grey], dict(coloraxis="coloraxis"))
        _markers(figure, part, own)
        notes += _names(part)
    mark(figure, _links(layout), notes)
    _frame_chosen(figure, layout, frame, chosen)
    bar = dict(title=dict(text=axis, side="right"), thickness=14, **(_decades(low, high) if log and low <= high else {}))
    scale = [[1 - place, colour] for place, colour in MAGNITUDE[::-1]] if low_is_worse else MAGNITUDE
    ends = dict(cmin=float(low), cmax=float(max(high, low + 1e-9))) if low <= high else {}
    figure.update_layout(coloraxis=dict(colorscale=scale, colorbar=bar, **ends))
    title = "Blocks in the order of the model, left to right"
    figure.update_xaxes(title_text=title, tickvals=[], showgrid=False, showline=False, fixedrange=True)
    figure.update_xaxes(range=[layout.left, layout.right])
    figure.update_yaxes(showticklabels=False, tickvals=[], showgrid=False, showline=False, range=[layout.height, 0])
    figure.update_yaxes(fixedrange=True)
    lay_out(figure, int(70 + _ROW * layout.height), legend=False)
    return figure.update_layout(margin=dict(l=8, t=4, b=44))


def _cells(frame: pd.DataFrame, series: str, low_is_worse: bool) -> pd.DataFrame:
    """One row a cell: part, row, block, layer (the worst of it), shown, text."""
    each = frame.dropna(subset="value").groupby("layer", sort=False)
    words = {
        layer: "<br>".join(f"{name}: {three_digits(value)}" for name, value in zip(rows[series], rows["value"], strict=True))
        for layer, rows in each
    }
    one = frame.drop_duplicates("layer").assign(block=lambda rows: rows["block"].astype("Int64").fillna(-1).astype(int))
    one = one.sort_values("shown", ascending=low_is_worse, na_position="last", kind="stable")
    keys = ["part", "row", "block"]
    cells = one.drop_duplicates(keys).merge(one.groupby(keys).size().rename("linears").reset_index(), on=keys)
    cells["text"] = [
        f"<b>{escaped(row.label)}</b>"
        + (f"<br>the worst of {row.linears} linears here" if row.linears > 1 else "")
        + f"<br>{words.get(row.layer, 'not measured')}"
        for row in cells.itertuples()
    ]
    return cells


def _places(part: Part, own: pd.DataFrame) -> tuple[list[int], list[int]]:
    blocks = {number: place for place, number in enumerate(part.blocks)}
    return [blocks.get(number, 0) for number in own["block"]], [part.rows.index(row) for row in own["row"]]


def _heat(figure: go.Figure, part: Part, own: pd.DataFrame, look: dict) -> None:
    if own.empty:
        return
    across, down = _places(part, own)
    z = np.full((len(part.rows), max(1, len(part.blocks))), np.nan)
    z[down, across] = own["colour"].to_numpy(float)
    edges = part.left + part.cell * np.arange(z.shape[1] + 1)
    gap = 2 if part.cell > 8 else 1
    figure.add_trace(
        go.Heatmap(
            z=[[None if math.isnan(value) else value for value in row] for row in z],
            x=edges,
            y=part.top + np.arange(len(part.rows) + 1),
            xgap=gap,
            ygap=2,
            hoverinfo="skip",
            **look,
        )
    )


def _markers(figure: go.Figure, part: Part, own: pd.DataFrame) -> None:
    across, down = _places(part, own)
    figure.add_trace(
        go.Scatter(
            x=part.left + part.cell * (np.array(across) + 0.5),
            y=part.top + np.array(down) + 0.5,
            mode="markers",
            marker=dict(symbol="square", size=max(6, min(20, int(part.cell))), color=NEUTRAL, opacity=0),
            customdata=[[layer, None] for layer in own["layer"]],
            text=own["text"],
            hovertemplate="%{text}<extra></extra>",
            name=escaped(part.title),
            showlegend=False,
        )
    )


def _names(part: Part) -> list[dict]:
    """Title above, names of rows at the left, first and last block number below; a box's rows are in its title and on hover."""
    look = dict(showarrow=False, xref="x", yref="y")
    place = dict(x=part.left, xanchor="left", y=part.top - 0.15, yanchor="bottom", font=dict(size=12))
    notes = [dict(text=escaped(_short(part.title, 24)), **place, **look)]
    if not part.blocks:
        return notes
    stride = -(-len(part.rows) // _MOST_NAMED)
    for place in range(0, len(part.rows), stride):
        text = escaped(_short(row_name(part.rows[place]), LONGEST))
        at = dict(x=part.left - 5, xanchor="right", y=part.top + place + 0.5, yanchor="middle")
        notes.append(dict(text=text, font=dict(size=11, color=NEUTRAL), **at, **look))
    for place in sorted({0, len(part.blocks) - 1}):
        at = dict(x=part.left + part.cell * (place + 0.5), xanchor="center", y=part.top + len(part.rows) + 0.1, yanchor="top")
        notes.append(dict(text=str(part.blocks[place]), font=dict(size=11, color=NEUTRAL), **at, **look))
    return notes


def _short(text: str, letters: int) -> str:
    return text if len(text) <= letters else text[: letters - 1] + "\u2026"


def _links(layout: Layout) -> list[dict]:
    steps = [step for link in layout.links for step in zip(link, link[1:], strict=False)]
    look = dict(type="line", line=_LINE, layer="below")
    return [dict(x0=x0, y0=y0, x1=x1, y1=y1, **look) for (x0, y0), (x1, y1) in steps if (x0, y0) != (x1, y1)]


def _frame_chosen(figure: go.Figure, layout: Layout, frame: pd.DataFrame, chosen: str | None) -> None:
    rows = frame[frame["layer"] == chosen]
    if rows.empty:
        return
    row = rows.iloc[0]
    part = next(part for part in layout.parts if part.name == row["part"])
    place = part.blocks.index(int(row["block"])) if part.blocks else 0
    x, y = part.left + part.cell * place, part.top + part.rows.index(row["row"])
    line = dict(color=EMPHASIS, width=2)
    block = dict(x0=x, x1=x + part.cell, y0=part.top - 0.1, y1=part.top + len(part.rows) + 0.1)
    figure.add_shape(type="rect", **block, line=dict(color=EMPHASIS, width=1))
    figure.add_shape(type="rect", x0=x, x1=x + part.cell, y0=y, y1=y + 1, line=line)


def _logged(values: pd.Series) -> pd.Series:
    return np.log10(values.where((values > 0) & np.isfinite(values)).astype(float))


def _decades(low: float, high: float) -> dict:
    """Ticks of a logarithmic colour bar at 1, 2 and 5 of each power of ten, fewer where there are many."""
    powers = range(math.floor(low), math.ceil(high) + 1)
    for steps in ((1, 2, 5), (1,)):
        values = [step * 10.0**power for power in powers for step in steps]
        values = [value for value in values if low - 1e-9 <= math.log10(value) <= high + 1e-9]
        if len(values) <= 8:
            break
    values = values[:: -(-len(values) // 8)] if len(values) > 1 else [10.0**low, 10.0**high]
    return dict(tickvals=[math.log10(value) for value in values], ticktext=[f"{value:.3g}" for value in values])
