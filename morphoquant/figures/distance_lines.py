"""A measure over the distance to the nearest other modality: one panel a run, one line a modality."""

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from morphoquant.figures.theme import HEIGHT, lay_out, modality_colour, modality_order, three_digits
from morphoquant.figures.ticks import escaped


def distance_lines(frame: pd.DataFrame, column: str, axis: str, zero: bool) -> go.Figure:
    """Draws a column of the frame of `attention_boundary`, in percent.

    Args:
        frame: label_run, modality, distance, distance_to, rows and the column.
        column: what is shown, a share.
        axis: title of the value axis with its unit.
        zero: whether the value axis begins at zero.
    """
    runs, steps = list(dict.fromkeys(frame["label_run"])), frame.drop_duplicates("distance").sort_values("distance")
    labels = [_range(row) for row in steps.itertuples()]
    place = {distance: index for index, distance in enumerate(steps["distance"])}
    across = min(2, len(runs))
    down = -(-len(runs) // across)
    titles = [escaped(run) for run in runs] if len(runs) > 1 else None
    gaps = dict(vertical_spacing=0.14 / down if down > 1 else 0.0, horizontal_spacing=0.05)
    figure = make_subplots(down, across, subplot_titles=titles, shared_yaxes="all", **gaps)
    named: set[str] = set()
    for panel, run in enumerate(runs):
        where = dict(row=panel // across + 1, col=panel % across + 1)
        own = frame[frame["label_run"] == run]
        for modality in modality_order(own["modality"]):
            part = own[own["modality"] == modality].sort_values("distance")
            colour = modality_colour(modality)
            figure.add_trace(
                go.Scatter(
                    x=part["distance"].map(place),
                    y=100.0 * part[column],
                    mode="lines+markers",
                    name=modality,
                    legendgroup=modality,
                    showlegend=modality not in named,
                    line=dict(color=colour, width=2),
                    marker=dict(color=colour, size=6),
                    text=[_hover(row, column) for row in part.itertuples()],
                    hovertemplate="%{text}<extra></extra>",
                ),
                **where,
            )
            named.add(modality)
        last = panel + across >= len(runs)
        title = "Distance to the nearest token of another modality (tokens)" if last else None
        figure.update_xaxes(tickvals=list(place.values()), ticktext=labels, title_text=title, **where)
    figure.update_yaxes(rangemode="tozero" if zero else "normal")
    for row in range(1, down + 1):
        figure.update_yaxes(title_text=axis, row=row, col=1)
    return lay_out(figure, HEIGHT if down == 1 else 60 + 300 * down)


def _range(row) -> str:
    return str(row.distance) if row.distance_to == row.distance else f"{row.distance}–{row.distance_to}"


def _hover(row, column: str) -> str:
    value = three_digits(100.0 * getattr(row, column))
    return f"{row.modality}, {_range(row)} tokens away: {value}<br>{row.rows:,} rows of attention"
