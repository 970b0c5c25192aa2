"""A measure over the layers of a model: one line a series, one panel a role.

Layers of one component stand in panels by role over the block index, because roles differ by orders of magnitude and one
line through all of them would only zigzag. Layers of several components stand in the order of the model: few in one panel, many
in a panel for each series, since hundreds of points in five colours are a cloud.
"""

from collections.abc import Callable
from textwrap import wrap

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from morphoquant.figures.marks import level, mark, upright
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
from morphoquant.figures.ticks import escaped, thinned

_DASHES = {"before": DASH_BEFORE, "after": DASH_AFTER, "measured": DASH_BEFORE, "predicted": DASH_AFTER}
_FIRST = ("before", "measured")
_DOTTED = dict(color=NEUTRAL, width=1, dash="dot")
_PANEL_HEIGHT = 230
_TITLE_LETTERS = 26  # as many as stand along a low panel
_LETTER_SHARE = 0.0115  # of the axis that a letter takes: a part of the model without room for its name has none
_MOST_TOGETHER = 40  # layers of several series that can be told apart in one panel
_ROW_HEIGHT = 120


def depth_lines(
    frame: pd.DataFrame,
    axis: str,
    *,
    log: bool = False,
    series: str = "modality",
    colour: Callable[[str], str] = modality_colour,
    reference: float | None = None,
) -> go.Figure:
    """Draws `value` over the layers.

    Args:
        frame: layer, label, component, role, block, order, value, the column `series`; `channel` and `stage` ("before" and
            "measured" are dashed, "after" and "predicted" solid) are optional.
        axis: title of the value axis with its unit.
        log: logarithmic value axis.
        series: column that makes the lines.
        colour: colour of a series by name.
        reference: a value to mark by a thin line, such as the kurtosis of a normal distribution.
    """
    roles = list(dict.fromkeys(zip(frame.sort_values("order")["component"], frame.sort_values("order")["role"], strict=True)))
    by_role = frame["component"].nunique() == 1 and len(roles) <= 8 and frame["block"].notna().any()
    figure = _by_role(frame, roles, series, colour) if by_role else _in_order(frame, series, colour)
    rows = len(list(figure.select_yaxes()))
    panels = [(place // 2 + 1, place % 2 + 1) for place in range(len(roles))] if rows > 1 and by_role else _column(rows)
    if reference is not None:
        mark(figure, [level(figure, reference, *panel, line=_DOTTED) for panel in panels])
    figure.update_yaxes(type="log" if log else "linear")
    if by_role and len(roles) > 1:
        # Low panels have no room for a long title in one line.
        broken = "<br>".join(wrap(axis.replace("log scale", "log\u00a0scale"), _TITLE_LETTERS)) if len(roles) > 2 else axis
        figure.update_yaxes(title=dict(text=broken.replace("\u00a0", " "), font=dict(size=12)), col=1)
    else:
        figure.update_yaxes(title_text=axis, row=(rows + 1) // 2, col=1)
    if "stage" in frame and frame["stage"].nunique() > 1:
        _stage_key(figure, frame)
    return figure


def _by_role(frame: pd.DataFrame, roles: list, series: str, colour) -> go.Figure:
    if len(roles) == 1:
        figure, rows = make_subplots(rows=1, cols=1), 1
    else:
        rows = -(-len(roles) // 2)
        gap = dict(vertical_spacing=min(0.15, 0.3 / rows), horizontal_spacing=0.09)
        figure = make_subplots(rows=rows, cols=2, subplot_titles=[escaped(role) for _, role in roles], **gap)
    seen: set[str] = set()
    for place, (component, role) in enumerate(roles):
        part = frame[(frame["component"] == component) & (frame["role"] == role)]
        row, col = place // 2 + 1, place % 2 + 1
        _lines(figure, part.assign(x=part["block"].astype(float).fillna(-1)), series, colour, seen, True, row=row, col=col)
        last = place + 2 >= len(roles)
        span = int(part["block"].max() - part["block"].min()) if part["block"].notna().any() else 0
        title = f"Block ({component})" if last else None
        figure.update_xaxes(title_text=title, dtick=max(1, -(-span // (6 if len(roles) > 1 else 12))), row=row, col=col)
    return lay_out(figure, HEIGHT if rows == 1 else max(HEIGHT, _PANEL_HEIGHT * rows + 60))


def _in_order(frame: pd.DataFrame, series: str, colour) -> go.Figure:
    layers = frame.drop_duplicates("layer").sort_values("order").reset_index(drop=True)
    place = {layer: index for index, layer in enumerate(layers["layer"])}
    lined = layers.groupby("component")["role"].nunique().max() == 1
    frame, names = frame.assign(x=frame["layer"].map(place)), _names(frame, series)
    apart = len(layers) > _MOST_TOGETHER
    rows = len(names) if apart else 1
    gaps = dict(shared_xaxes=True, shared_yaxes="all", vertical_spacing=0.3 / rows)
    figure = make_subplots(rows=rows, cols=1, subplot_titles=[escaped(name) for name in names] if apart else None, **gaps)
    for row, name in enumerate(names if apart else [], 1):
        # The panel's title names the series: the legend has no need to.
        _lines(figure, frame[frame[series] == name], series, colour, {name}, lined, row=row, col=1)
    if not apart:
        _lines(figure, frame, series, colour, set(), lined, row=1, col=1)
    places, labels = thinned(list(layers["label"]))
    figure.update_xaxes(tickvals=places, ticktext=labels, tickangle=-35)
    figure.update_xaxes(title_text="Layer, in the order of the model", row=rows, col=1)
    starts = list(layers.index[layers["component"] != layers["component"].shift()])
    ends = [*starts[1:], len(layers)]
    mark(figure, [upright(figure, start - 0.5, *panel, line=_DOTTED) for start in starts[1:] for panel in _column(rows)])
    for start, end, component in zip(starts, ends, layers["component"][starts], strict=True):
        if len(starts) > 1 and (end - start) / len(layers) > _LETTER_SHARE * len(component):
            note = dict(x=start, xanchor="left", y=1.0, yanchor="top", yref="y domain", xref="x", showarrow=False)
            figure.add_annotation(text=component, font=dict(color=NEUTRAL, size=12), **note)
    if not lined:
        figure.update_layout(legend_itemsizing="constant")  # dots of this size are not seen in a legend
    if not apart:
        return lay_out(figure, HEIGHT + 60)
    figure.update_yaxes(nticks=4)  # a low panel has room for the decades of a log axis alone
    return lay_out(figure, 150 + _ROW_HEIGHT * rows, legend="stage" in frame and frame["stage"].nunique() > 1)


def _column(rows: int) -> list[tuple[int, int]]:
    """The panels of a figure of one column."""
    return [(row, 1) for row in range(1, rows + 1)]


def _names(frame: pd.DataFrame, series: str) -> list[str]:
    return modality_order(frame[series]) if series == "modality" else list(dict.fromkeys(frame[series]))


def _lines(figure: go.Figure, frame: pd.DataFrame, series: str, colour, seen: set, lined: bool, **where) -> None:
    stages = list(dict.fromkeys(frame["stage"])) if "stage" in frame else [None]
    for name in _names(frame, series):
        for stage in stages:
            part = frame[frame[series] == name]
            part = part[part["stage"] == stage] if stage else part
            if part.empty:
                continue
            part = part.sort_values("x", kind="stable")
            new = name not in seen and stage not in _FIRST
            figure.add_trace(
                go.Scatter(
                    x=part["x"],
                    y=part["value"],
                    mode="lines+markers" if lined else "markers",
                    name=escaped(name),
                    legendgroup=escaped(name),
                    showlegend=new,
                    line=dict(color=colour(name), width=2, dash=_DASHES.get(stage, "solid")),
                    marker=_marker(colour(name), stage),
                    customdata=_clicks(part),
                    text=[_hover(row, name, stage) for row in part.itertuples()],
                    hovertemplate="%{text}<extra></extra>",
                ),
                **where,
            )
            seen |= {name} if new else set()


def _clicks(part: pd.DataFrame) -> list[list]:
    channels = part["channel"].tolist() if "channel" in part else [None] * len(part)
    return [[layer, channel] for layer, channel in zip(part["layer"], channels, strict=True)]


def _hover(row, name: str, stage: str | None) -> str:
    channel = f", channel {row.channel}" if hasattr(row, "channel") else ""
    return f"{escaped(row.label)}{channel}<br>{escaped(name)}{f', {stage}' if stage else ''}: {three_digits(row.value)}"


def _marker(colour: str, stage: str | None) -> dict:
    return dict(color=colour, size=5, symbol="circle-open" if stage in _FIRST else "circle")


def _stage_key(figure: go.Figure, frame: pd.DataFrame) -> None:
    """Two legend entries that say which run is dashed or hollow and which is solid or full."""
    mode = "lines+markers" if any("lines" in trace.mode for trace in figure.data) else "markers"
    for stage in (stage for stage in _DASHES if stage in set(frame["stage"])):
        label = frame.loc[frame["stage"] == stage, "label_run"].iat[0]
        look = dict(mode=mode, line=dict(color=NEUTRAL, width=2, dash=_DASHES[stage]), marker=_marker(NEUTRAL, stage))
        figure.add_trace(go.Scatter(x=[None], y=[None], name=f"{stage}: {escaped(label)}", **look))
