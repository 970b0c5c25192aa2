"""Methods down, one panel a subject or task: a dot with its 95 % interval, and the number beside it.

Full precision is the first row, and a line with its interval as a band behind all others, so that what is lost is seen at once.
"""

from dataclasses import dataclass
from textwrap import wrap

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from morphoquant.figures.marks import band, mark, upright
from morphoquant.figures.theme import FULL_PRECISION, NEUTRAL, faded, lay_out, subject_colour, three_digits
from morphoquant.figures.ticks import escaped

_ACROSS = 5
_ROW = 25
_TITLE_LETTERS = 18


@dataclass(frozen=True)
class Quantity:
    """Columns of one measured quantity.

    Attributes:
        value: column of the value.
        low: lower end of its interval.
        high: upper end of its interval.
        axis: axis title with unit.
        scale: factor from the column to the axis, 100 for percent.
        top: end of the axis, absent for the largest value.
        marks: (column, name) of further values: the guess by chance as a dotted line, others as crosses.
    """

    value: str
    low: str
    high: str
    axis: str
    scale: float = 1.0
    top: float | None = None
    marks: tuple[tuple[str, str], ...] = ()


def answer_dots(frame: pd.DataFrame, by: str, quantity: Quantity) -> go.Figure:
    """Draws a quantity of the frame of `accuracy`.

    Args:
        frame: label, method, spec, subject, the column `by` and those of the quantity.
        by: "task" or "subject": the panels.
        quantity: what is shown.
    """
    columns = [quantity.value, quantity.low, quantity.high, *(name for name, _ in quantity.marks)]
    frame = frame.assign(**{name: quantity.scale * frame[name] for name in columns})
    panels = list(dict.fromkeys(frame[by]))
    across = min(_ACROSS, len(panels)) if len(panels) <= _ACROSS else -(-len(panels) // 2)
    down = -(-len(panels) // across)
    rows = _rows(frame)
    titles = ["<br>".join(wrap(escaped(panel), _TITLE_LETTERS)) for panel in panels]
    gaps = dict(horizontal_spacing=0.02, vertical_spacing=0.16 / down)
    figure = make_subplots(rows=down, cols=across, shared_yaxes=True, subplot_titles=titles, **gaps)
    top = quantity.top or _finite_top(frame, quantity)
    shapes = []
    for place, panel in enumerate(panels):
        shapes += _panel(figure, frame[frame[by] == panel], quantity, top, row=place // across + 1, col=place % across + 1)
    mark(figure, shapes)
    figure.update_yaxes(
        type="category", categoryorder="array", categoryarray=rows, range=[len(rows) - 0.4, -0.6], dtick=1, showgrid=False
    )
    ticks = _ticks(top)
    figure.update_xaxes(range=[-0.04 * top, 1.46 * top], tickvals=ticks, ticktext=[f"{tick:g}" for tick in ticks])
    for place in range(max(0, len(panels) - across), len(panels)):
        wide = len(panels) > 2
        title = quantity.axis.replace(" (", "<br>(", 1) if wide else quantity.axis
        figure.update_xaxes(title=dict(text=title, font=dict(size=12)), row=place // across + 1, col=place % across + 1)
    _key(figure, frame, quantity)
    return lay_out(figure, 150 + down * (70 + _ROW * len(rows)))


def _rows(frame: pd.DataFrame) -> list[str]:
    """The row labels; a blank one between two specs, each blank of another length, as categories need."""
    rows: list[str] = []
    last = None
    for label, spec in frame[["label", "spec"]].drop_duplicates("label").itertuples(index=False, name=None):
        if rows and spec != last:
            rows.append(" " * (1 + sum(not row.strip() for row in rows)))
        rows.append(escaped(label))
        last = spec
    return rows


def _finite_top(frame: pd.DataFrame, quantity: Quantity) -> float:
    found = frame[[quantity.value, quantity.high]].to_numpy(float)
    found = found[np.isfinite(found)]
    return float(found.max()) if found.size and found.max() > 0 else 1.0


def _ticks(top: float) -> list[float]:
    """Zero, and one or two round values up to `top`."""
    power = 10.0 ** np.floor(np.log10(top))
    step = next(step * power for step in (5, 2.5, 2, 1, 0.5) if 2 * step * power <= top * 1.001)
    return [0.0, float(step), float(2 * step)]


def _panel(figure: go.Figure, part: pd.DataFrame, quantity: Quantity, top: float, **where) -> list[dict]:
    """Draws one panel, and returns the shapes that are to be put into it."""
    part = part[part[quantity.value].notna()]
    if part.empty:
        figure.add_trace(go.Scatter(x=[None], y=[None], mode="markers", showlegend=False), **where)
        return []
    full = part[part["method"].isna()]
    colour = subject_colour(part["subject"].iat[0])
    for rows, paint, symbol in ((full, FULL_PRECISION, "diamond"), (part[part["method"].notna()], colour, "circle")):
        if rows.empty:
            continue
        line = dict(color=NEUTRAL if paint == FULL_PRECISION else paint, width=2)
        figure.add_trace(_spans(rows, quantity, line), **where)
        _marks(figure, rows, quantity, where)
        figure.add_trace(
            go.Scatter(
                x=rows[quantity.value],
                y=[escaped(label) for label in rows["label"]],
                mode="markers",
                marker=dict(color=paint, size=9, symbol=symbol, line=dict(color="white", width=1)),
                showlegend=False,
                text=[_hover(row, quantity) for row in rows.to_dict("records")],
                hovertemplate="%{text}<extra></extra>",
            ),
            **where,
        )
    figure.add_trace(
        go.Scatter(
            x=[1.08 * top] * len(part),
            y=[escaped(label) for label in part["label"]],
            mode="text",
            text=[three_digits(value) for value in part[quantity.value]],
            textposition="middle right",
            textfont=dict(size=12),
            hoverinfo="skip",
            showlegend=False,
        ),
        **where,
    )
    shapes = []
    if len(full):
        value, low, high = full[[quantity.value, quantity.low, quantity.high]].iloc[0]
        shapes.append(band(figure, low, high, fillcolor=faded(NEUTRAL, 0.16), line=dict(width=0), layer="below", **where))
        shapes.append(upright(figure, value, line=dict(color=NEUTRAL, width=1), layer="below", **where))
    if "chance" in dict(quantity.marks):
        look = dict(line=dict(color=NEUTRAL, width=1, dash="dot"))
        shapes.append(upright(figure, float(part["chance"].mean()), **look, **where))
    return shapes


def _spans(rows: pd.DataFrame, quantity: Quantity, line: dict) -> go.Scatter:
    """All intervals of a panel as one line with gaps."""
    rows = rows[rows[quantity.low].notna()]
    xs, ys = [], []
    for label, low, high in rows[["label", quantity.low, quantity.high]].itertuples(index=False, name=None):
        xs += [low, high, None]
        ys += [escaped(label)] * 2 + [None]
    return go.Scatter(x=xs, y=ys, mode="lines", line=line, hoverinfo="skip", showlegend=False)


def _marks(figure: go.Figure, rows: pd.DataFrame, quantity: Quantity, where: dict) -> None:
    for column, name in quantity.marks:
        found = rows[rows[column].notna()]
        if column == "chance" or found.empty:
            continue
        figure.add_trace(
            go.Scatter(
                x=found[column],
                y=[escaped(label) for label in found["label"]],
                mode="markers",
                marker=dict(color=NEUTRAL, size=7, symbol="x"),
                showlegend=False,
                hovertemplate=f"%{{y}}, {name}: %{{x:.3g}}<extra></extra>",
            ),
            **where,
        )


def _hover(row: dict, quantity: Quantity) -> str:
    span = (
        "" if pd.isna(row[quantity.low]) else f"<br>95 %: {three_digits(row[quantity.low])} to {three_digits(row[quantity.high])}"
    )
    items = f"<br>{row['items']} items" if "items" in row else ""
    return f"{escaped(row['label'])}<br>{escaped(row['subject'])}: {three_digits(row[quantity.value])}{span}{items}"


def _key(figure: go.Figure, frame: pd.DataFrame, quantity: Quantity) -> None:
    """Legend entries for what the panels' titles do not say."""

    def entry(name: str, **look) -> None:
        figure.add_trace(go.Scatter(x=[None], y=[None], name=name, **look), row=1, col=1)

    if frame.loc[frame["method"].isna(), quantity.value].notna().any():
        mark = dict(color=FULL_PRECISION, size=9, symbol="diamond", line=dict(color="white", width=1))
        entry("full precision (band: 95 % interval)", mode="lines+markers", line=dict(color=NEUTRAL, width=2), marker=mark)
    if frame["method"].notna().any():
        look = dict(line=dict(color=NEUTRAL, width=2), marker=dict(color=NEUTRAL, size=9))
        entry("quantised, 95 % interval", mode="lines+markers", **look)
    for column, name in quantity.marks:
        if frame[column].notna().any():
            dotted = dict(mode="lines", line=dict(color=NEUTRAL, width=1, dash="dot"))
            entry(name, **dotted) if column == "chance" else entry(
                name, mode="markers", marker=dict(color=NEUTRAL, size=7, symbol="x")
            )
