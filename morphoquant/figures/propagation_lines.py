"""Hidden states behind every block: one panel a run, one colour a modality, each block alone dashed and all accumulated solid."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from morphoquant.figures.marks import mark, upright
from morphoquant.figures.theme import (
    DASH_AFTER,
    DASH_BEFORE,
    HEIGHT,
    NEUTRAL,
    lay_out,
    modality_colour,
    modality_order,
    three_digits,
)
from morphoquant.figures.ticks import escaped

_DASHES = {"alone": DASH_BEFORE, "accumulated": DASH_AFTER}
_WORDS = {"alone": "dashed", "accumulated": "solid"}  # said too: the key is as grey as special tokens
_TICKS = 12  # of all panels side by side
_NAMED = 4  # blocks of a part that leave room for its name, a panel side by side


def propagation_lines(frame: pd.DataFrame, column: str, axis: str) -> go.Figure:
    """Draws a column of the frame of `propagation`; a value that is infinite, where nothing changes, has no point.

    Args:
        frame: label_run, label, component, order, source, modality and the column.
        column: what is shown.
        axis: title of the value axis with its unit.
    """
    runs = list(dict.fromkeys(frame["label_run"]))
    across = min(2, len(runs))
    down = -(-len(runs) // across)
    titles = [escaped(run) for run in runs] if len(runs) > 1 else None
    gaps = dict(vertical_spacing=0.12 / down if down > 1 else 0.0, horizontal_spacing=0.05)
    figure = make_subplots(down, across, subplot_titles=titles, shared_yaxes="all", **gaps)
    modules = frame.drop_duplicates("order").sort_values("order")
    places = {order: place for place, order in enumerate(modules["order"])}
    seen: set[str] = set()
    for panel, run in enumerate(runs):
        where = dict(row=panel // across + 1, col=panel % across + 1)
        own = frame[frame["label_run"] == run]
        for modality in modality_order(own["modality"]):
            for source in _DASHES:
                part = own[(own["modality"] == modality) & (own["source"] == source)]
                _line(figure, part.assign(x=part["order"].map(places)), column, modality, source, seen, where)
        _parts(figure, list(modules["component"]), across, where)
        ticks = _ticks(modules, _TICKS // across)
        figure.update_xaxes(tickvals=[place for place, _ in ticks], ticktext=[escaped(label) for _, label in ticks], **where)
        if panel + across >= len(runs):
            figure.update_xaxes(title_text="Block, in the order of the forward", **where)
    for source, dash in _DASHES.items():
        line = dict(color=NEUTRAL, width=2, dash=dash)
        figure.add_trace(
            go.Scatter(x=[None], y=[None], mode="lines", line=line, name=f"{source}, {_WORDS[source]}"), row=1, col=1
        )
    for row in range(1, down + 1):
        figure.update_yaxes(title_text=axis, row=row, col=1)
    return lay_out(figure, HEIGHT + 40 if down == 1 else 60 + 320 * down)


def _line(figure: go.Figure, part: pd.DataFrame, column: str, modality: str, source: str, seen: set[str], where: dict) -> None:
    if part.empty:
        return
    x, y, text = [], [], []
    for _, run in part.groupby("component", sort=False):
        run = run.sort_values("x")
        values = run[column].replace([np.inf, -np.inf], np.nan)
        # A gap ends a part of the model: a line into the next one would join unlike things.
        x, y = [*x, *run["x"], None], [*y, *(None if pd.isna(value) else value for value in values), None]
        text += [_hover(row, column, modality, source) for row in run.itertuples()] + [""]
    figure.add_trace(
        go.Scatter(
            x=x,
            y=y,
            mode="lines+markers",
            name=modality,
            legendgroup=modality,
            showlegend=source == "accumulated" and modality not in seen,
            line=dict(color=modality_colour(modality), width=2, dash=_DASHES[source]),
            marker=dict(color=modality_colour(modality), size=4, symbol="circle" if source == "accumulated" else "circle-open"),
            text=text,
            hovertemplate="%{text}<extra></extra>",
        ),
        **where,
    )
    if source == "accumulated":
        seen.add(modality)


def _hover(row, column: str, modality: str, source: str) -> str:
    return f"behind {escaped(row.label)}, {source}<br>{modality}: {three_digits(getattr(row, column))}"


def _parts(figure: go.Figure, components: list[str], across: int, where: dict) -> None:
    """Dotted lines between the parts of the model, and their names where there is room."""
    starts = _starts(components)
    if len(starts) < 2:
        return
    dotted, notes = dict(color=NEUTRAL, width=1, dash="dot"), []
    for start, end in zip(starts, [*starts[1:], len(components)], strict=True):
        if end - start >= _NAMED * across:
            place = (where["row"] - 1) * across + where["col"]
            axes = ("x" if place == 1 else f"x{place}", "y domain" if place == 1 else f"y{place} domain")
            note = dict(x=start - 0.3, xref=axes[0], xanchor="left", y=0.0, yref=axes[1], yanchor="bottom", showarrow=False)
            notes.append(dict(text=components[start], font=dict(color=NEUTRAL, size=12), **note))
    mark(figure, [upright(figure, start - 0.5, line=dotted, **where) for start in starts[1:]], notes)


def _ticks(modules: pd.DataFrame, most: int) -> list[tuple[int, str]]:
    """(place, label) of at most `most` blocks: their numbers; the first of each part is among them."""
    labels = ["" if pd.isna(block) else str(int(block)) for block in modules["block"]]
    stride = max(1, -(-len(labels) // most))
    found: list[tuple[int, str]] = []
    starts = _starts(list(modules["component"]))
    for start, end in zip(starts, [*starts[1:], len(labels)], strict=True):
        room = end - max(1, stride // 2) if end < len(labels) else end
        found += [
            (place, labels[place]) for place in range(start, end, stride) if labels[place] and (place == start or place < room)
        ]
    return found[:16]


def _starts(components: list[str]) -> list[int]:
    """Places at which a part of the model begins."""
    return [place for place, name in enumerate(components) if place == 0 or components[place - 1] != name]
