"""A published table as dots: rows down, one panel a benchmark, one colour a model; full precision as a line behind.

The units of the panels differ, so that each has an axis of its own; errors and times that span more than
a decade have a log axis.
"""

from textwrap import wrap

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from morphoquant.figures.marks import mark, upright
from morphoquant.figures.theme import SERIES, lay_out
from morphoquant.figures.ticks import escaped

# The first is filled and the others hollow, so that dots of two models on one spot are both seen.
_SYMBOLS = ("circle", "square-open", "diamond-open", "triangle-up-open")
_ACROSS = 3
_ROW = 24
_DECADE = 10.0
_NOT_TOLD = "model not told"


def published_dots(frame: pd.DataFrame, reference: str) -> go.Figure:
    """Draws the cells of one table.

    Args:
        frame: model, bits, method, row, benchmark, value, printed, unit and better of each cell, in the table's order; a
            benchmark with a single cell is left out beside fuller ones, as there is nothing to see it against.
        reference: the method that is drawn as a line through its panel as well.
    """
    count = frame.groupby("benchmark")["value"].transform("size")
    frame = frame[(count > 1) | (count.max() == 1)]
    frame = frame.assign(model=frame["model"].replace("", _NOT_TOLD), label=_labels(frame))
    panels, models = list(dict.fromkeys(frame["benchmark"])), list(dict.fromkeys(frame["model"]))
    across = len(panels) if len(panels) <= _ACROSS else -(-len(panels) // 2)
    down = -(-len(panels) // across)
    rows = _rows(frame)
    titles = ["<br>".join(wrap(escaped(panel), 24)) for panel in panels]
    gaps = dict(horizontal_spacing=0.03, vertical_spacing=0.2 / down)
    figure = make_subplots(rows=down, cols=across, shared_yaxes=True, subplot_titles=titles, **gaps)
    lines = []
    for place, panel in enumerate(panels):
        where = dict(row=place // across + 1, col=place % across + 1)
        part = frame[frame["benchmark"] == panel]
        for model, colour, symbol in zip(models, _cycled(SERIES, models), _cycled(_SYMBOLS, models), strict=True):
            figure.add_trace(_dots(part[part["model"] == model], model, colour, symbol, place == 0), **where)
        lines += _lines(figure, part[part["method"] == reference], dict(zip(models, _cycled(SERIES, models), strict=True)), where)
        figure.update_xaxes(**_axis(part), **where)
    mark(figure, lines)
    figure.update_yaxes(
        type="category", categoryorder="array", categoryarray=rows, range=[len(rows) - 0.4, -0.6], dtick=1, showgrid=False
    )
    return lay_out(figure, 130 + down * (96 + _ROW * len(rows)))


def _labels(frame: pd.DataFrame) -> pd.Series:
    """Method and bits; what the paper prints where two rows of a model would read the same."""
    lines = frame[["model", "bits", "method", "row"]].drop_duplicates()
    twice = lines.duplicated(["model", "bits", "method"], keep=False)
    same = {tuple(line) for line in lines.loc[twice, ["bits", "method"]].values}
    names = [
        row if (bits, method) in same else method
        for bits, method, row in frame[["bits", "method", "row"]].itertuples(index=False, name=None)
    ]
    return pd.Series([f"{name} {bits}".strip() for name, bits in zip(names, frame["bits"], strict=True)], frame.index)


def _rows(frame: pd.DataFrame) -> list[str]:
    """The row labels, equal bits together; a blank one between two bit-widths, each blank of another length."""
    rows: list[str] = []
    last = None
    order = {bits: place for place, bits in enumerate(dict.fromkeys(frame["bits"]))}
    lines = frame[["label", "bits"]].drop_duplicates().sort_values("bits", key=lambda bits: bits.map(order), kind="stable")
    for label, bits in lines.itertuples(index=False, name=None):
        if rows and bits != last:
            rows.append(" " * (1 + sum(not row.strip() for row in rows)))
        rows.append(escaped(label))
        last = bits
    return rows


def _dots(part: pd.DataFrame, model: str, colour: str, symbol: str, first: bool) -> go.Scatter:
    return go.Scatter(
        x=part["value"] if len(part) else [None],
        y=[escaped(label) for label in part["label"]] if len(part) else [None],
        mode="markers",
        name=escaped(model),
        legendgroup=model,
        showlegend=first,
        marker=dict(color=colour, size=9, symbol=symbol, line=dict(color=colour if "open" in symbol else "white", width=1.5)),
        text=[f"{escaped(model)}<br>{escaped(one.label)}: {one.printed} {escaped(one.unit)}" for one in part.itertuples()],
        hovertemplate="%{text}<extra></extra>",
    )


def _lines(figure: go.Figure, full: pd.DataFrame, colours: dict[str, str], where: dict) -> list[dict]:
    dotted = dict(width=1, dash="dot")
    looks = [dict(line=dotted | dict(color=colours[model]), layer="below") for model in full["model"]]
    return [upright(figure, value, **look, **where) for value, look in zip(full["value"], looks, strict=True)]


def _axis(part: pd.DataFrame) -> dict:
    """The axis of a panel: its unit, which way is better, and a log scale where the values call for one."""
    low, high = float(part["value"].min()), float(part["value"].max())
    unit, better = part["unit"].iat[0], part["better"].iat[0]
    log = better == "lower" and 0 < _DECADE * low < high
    facts = [*([unit] if unit != "1" else []), *(["log scale<br>"] if log else []), f"{better} is better"]
    title = dict(text=", ".join(facts).replace("<br>, ", "<br>"), font=dict(size=12))
    if log:
        ticks = [step * 10.0**power for power in range(-3, 5) for step in (1, 3)]
        shown = [tick for tick in ticks if 0.8 * low <= tick <= 1.25 * high]
        return dict(type="log", tickvals=shown, ticktext=[f"{tick:g}" for tick in shown], title=title)
    return dict(title=title)


def _cycled(values: tuple[str, ...], names: list[str]) -> list[str]:
    return [values[place % len(values)] for place in range(len(names))]
