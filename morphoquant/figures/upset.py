"""UpSet figure: the exclusive intersections of sets as bars over a matrix that says which sets each is of.

Source: A. Lex et al., "UpSet: Visualization of Intersecting Sets", IEEE TVCG 20(12), 2014.
"""

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from morphoquant.figures.theme import NEUTRAL, faded, lay_out, modality_colour, three_digits
from morphoquant.figures.ticks import escaped

MOST_BARS = 16


def upset(frame: pd.DataFrame, axis: str) -> go.Figure:
    """Draws the frame of `mask_sets`, the largest intersections first.

    Args:
        frame: its rows.
        axis: what is counted, with its unit.
    """
    names = frame["names"].iat[0].split()
    shown = frame.head(MOST_BARS)
    members = [found.split() for found in shown["modalities"]]
    places = list(range(len(shown)))
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.62, 0.38], vertical_spacing=0.04)
    figure.add_trace(
        go.Bar(
            x=places,
            y=shown["count"],
            marker=dict(color=[modality_colour(own[0]) if len(own) == 1 else NEUTRAL for own in members]),
            text=[f"{count:,}" for count in shown["count"]],
            textposition="outside",
            cliponaxis=False,
            showlegend=False,
            customdata=[
                [None, None, " and ".join(own), three_digits(share)]
                for own, share in zip(members, shown["share_percent"], strict=True)
            ],
            hovertemplate="only in %{customdata[2]}<br>%{y:,}, %{customdata[3]} % of all<extra></extra>",
        ),
        1,
        1,
    )
    level = {name: place for place, name in enumerate(names)}
    for place, own in zip(places, members, strict=True):
        ends = sorted(level[name] for name in own)
        line = dict(x=[place, place], y=[ends[0], ends[-1]], mode="lines", line=dict(color=NEUTRAL, width=2))
        if len(own) > 1:
            figure.add_trace(go.Scatter(**line, hoverinfo="skip", showlegend=False), 2, 1)
    for name in names:
        for inside in (False, True):
            at = [place for place, own in zip(places, members, strict=True) if (name in own) is inside]
            colour = modality_colour(name) if inside else faded(NEUTRAL, 0.3)
            look = dict(mode="markers", marker=dict(color=colour, size=11 if inside else 6), hoverinfo="skip", showlegend=False)
            figure.add_trace(go.Scatter(x=at, y=[level[name]] * len(at), **look), 2, 1)
    sizes = {name: int(frame.loc[[name in own.split() for own in frame["modalities"]], "count"].sum()) for name in names}
    labels = [f"{escaped(name)} ({sizes[name]:,})" for name in names]
    figure.update_yaxes(
        tickvals=list(range(len(names))), ticktext=labels, range=[len(names) - 0.5, -0.5], showgrid=False, row=2, col=1
    )
    figure.update_yaxes(title_text=axis, range=[0, 1.14 * float(shown["count"].max())], row=1, col=1)
    rest = frame.iloc[MOST_BARS:]["count"]
    left = f"; {len(rest)} smaller ones with {int(rest.sum()):,} left out" if len(rest) else ""
    figure.update_xaxes(showgrid=False, showticklabels=False, range=[-0.6, len(shown) - 0.4])
    figure.update_xaxes(title_text=f"Outliers in exactly these modalities{left}", showticklabels=True, row=2, col=1)
    figure.update_xaxes(tickvals=places, ticktext=["" for _ in places], row=2, col=1)
    return lay_out(figure, 330 + 26 * len(names), legend=False)
