"""Hidden states of tokens along two principal axes of full precision: one panel for it, one for each run, all to one scale."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from morphoquant.figures.panels import title_last
from morphoquant.figures.theme import HEIGHT, faded, lay_out, modality_colour, modality_order, three_digits
from morphoquant.figures.ticks import escaped

_INNER = (0.01, 0.99)  # quantiles of the coordinates that a panel shows, with a margin
_MARGIN = 0.12


def hidden_dots(frame: pd.DataFrame, axes: tuple[int, int]) -> go.Figure:
    """Draws the frame of `hidden_states`: dots are tokens, a diamond is the mean of a modality, an open one its place in full
    precision. Few tokens far outside are not shown, so that the others can be told apart; panels say how many.

    Args:
        frame: label_run, modality, sample, token, axis_1 ..., share_1 ...
        axes: numbers of the two axes, from 1.
    """
    across_name, up_name = (f"axis_{axis}" for axis in axes)
    panels = list(dict.fromkeys(frame["label_run"]))
    columns = min(3 if len(panels) in (3, 5, 6) else 2, len(panels))
    rows = -(-len(panels) // columns)
    limits = {name: _limits(frame[name]) for name in (across_name, up_name)}
    titles = [_title(frame[frame["label_run"] == panel], panel, limits) for panel in panels]
    titles[0] += f", block {frame['block'].iat[0]}"
    gaps = dict(vertical_spacing=0.14 / rows if rows > 1 else 0.0, horizontal_spacing=0.04)
    figure = make_subplots(rows, columns, subplot_titles=titles, shared_xaxes="all", shared_yaxes="all", **gaps)
    first = frame[frame["label_run"] == panels[0]]
    for place, panel in enumerate(panels):
        own, where = frame[frame["label_run"] == panel], dict(row=place // columns + 1, col=place % columns + 1)
        inside = _inside(own, limits)
        for modality in modality_order(own["modality"]):
            part = own[inside & (own["modality"] == modality)]
            dots = dict(color=faded(modality_colour(modality), 0.55), size=5)
            _dots(figure, part, (across_name, up_name), modality, dots, place == 0, where)
            middle, before = (one[one["modality"] == modality][[across_name, up_name]].mean() for one in (own, first))
            _middles(figure, modality, [before, middle] if place else [middle], where)
        figure.update_xaxes(range=limits[across_name], **where)
        figure.update_yaxes(range=limits[up_name], **where)
    title_last(figure, _axis(frame, axes[0]), len(panels), columns)
    for row in range(1, rows + 1):
        figure.update_yaxes(title_text=_axis(frame, axes[1]), row=row, col=1)
    figure.update_layout(legend_itemsizing="constant")
    return lay_out(figure, HEIGHT if rows == 1 else 60 + 330 * rows)


def _dots(figure: go.Figure, part: pd.DataFrame, names: tuple[str, str], modality: str, look: dict, named: bool, where) -> None:
    figure.add_trace(
        go.Scatter(
            x=part[names[0]],
            y=part[names[1]],
            mode="markers",
            name=modality,
            legendgroup=modality,
            showlegend=named,
            marker=look,
            text=[f"{modality}, sample {row.sample}, token {row.token}" for row in part.itertuples()],
            hovertemplate="%{text}<extra></extra>",
        ),
        **where,
    )


def _middles(figure: go.Figure, modality: str, places: list[pd.Series], where: dict) -> None:
    colour = modality_colour(modality)
    figure.add_trace(
        go.Scatter(
            x=[place.iloc[0] for place in places],
            y=[place.iloc[1] for place in places],
            mode="lines",
            legendgroup=modality,
            showlegend=False,
            line=dict(color=colour, width=2),
            hoverinfo="skip",
        ),
        **where,
    )
    for place, symbol in zip(places, ["diamond-open", "diamond"][-len(places) :], strict=True):
        figure.add_trace(
            go.Scatter(
                x=[place.iloc[0]],
                y=[place.iloc[1]],
                mode="markers",
                legendgroup=modality,
                showlegend=False,
                marker=dict(color=colour, size=11, symbol=symbol, line=dict(color="#FFFFFF" if symbol == "diamond" else colour)),
                text=[f"mean of {modality}{'' if symbol == 'diamond' else ' in full precision'}"],
                hovertemplate="%{text}<extra></extra>",
            ),
            **where,
        )


def _limits(values: pd.Series) -> list[float]:
    low, high = np.quantile(values, _INNER)
    margin = _MARGIN * (high - low) or 1.0
    return [float(low - margin), float(high + margin)]


def _inside(frame: pd.DataFrame, limits: dict[str, list[float]]) -> pd.Series:
    kept = pd.Series(True, index=frame.index)
    for name, (low, high) in limits.items():
        kept &= frame[name].between(low, high)
    return kept


def _title(frame: pd.DataFrame, panel: str, limits: dict[str, list[float]]) -> str:
    outside = int((~_inside(frame, limits)).sum())
    return escaped(panel) + (f", {outside} of {len(frame)} tokens outside" if outside else "")


def _axis(frame: pd.DataFrame, axis: int) -> str:
    return f"Axis {axis} ({three_digits(100 * frame[f'share_{axis}'].iat[0])} % of the variance)"
