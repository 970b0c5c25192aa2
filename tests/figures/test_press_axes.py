"""Translated axes show what plotly shows: limits, order, stacking, categories."""

import numpy as np
import plotly.graph_objects as go
import pytest

from morphoquant.figures.press.canvas import draw
from morphoquant.figures.press.style import style


def printed(figure: go.Figure):
    with style("single"):
        return draw(figure, 3.5, "single").axes[0]


def test_log_range_is_given_in_decades():
    axes = printed(go.Figure(go.Scatter(x=[1, 10], y=[1, 10]), layout=dict(xaxis=dict(type="log", range=[-1, 2]))))
    assert axes.get_xscale() == "log" and axes.get_xlim() == pytest.approx((0.1, 100))


def test_reversed_categories_start_on_top():
    bar = go.Bar(y=["a", "b"], x=[1, 2], orientation="h")
    axes = printed(go.Figure(bar, layout=dict(yaxis=dict(categoryorder="array", categoryarray=["b", "a"], autorange="reversed"))))
    assert [label.get_text() for label in axes.get_yticklabels()] == ["b", "a"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]
    assert [patch.get_width() for patch in axes.patches] == [1, 2]


def test_stacked_bars_pile_up_and_grouped_bars_stand_apart():
    bars = [go.Bar(x=["a"], y=[2]), go.Bar(x=["a"], y=[3])]
    stacked = printed(go.Figure(bars, layout=dict(barmode="stack"))).patches
    assert [(patch.get_y(), patch.get_height()) for patch in stacked] == [(0, 2), (2, 3)]
    left, right = printed(go.Figure(bars)).patches
    assert left.get_x() + left.get_width() == pytest.approx(right.get_x())


def test_bars_of_uneven_categories_are_equally_wide():
    bars = [go.Bar(y=["a", "c"], x=[1, 1], orientation="h"), go.Bar(y=["b"], x=[1], orientation="h")]
    layout = dict(barmode="overlay", yaxis=dict(categoryorder="array", categoryarray=["a", "b", "c"]))
    assert len({patch.get_height() for patch in printed(go.Figure(bars, layout=layout)).patches}) == 1


def test_gaps_and_steps_stay():
    axes = printed(go.Figure(go.Scatter(x=[1, 2, 3], y=[1, None, 3], line=dict(shape="hv"))))
    (line,) = axes.lines
    assert np.isnan(line.get_ydata()[1]) and line.get_drawstyle() == "steps-post"


def test_invisible_click_targets_are_not_printed():
    heat = go.Heatmap(z=[[0, 1]], colorscale=[[0, "white"], [1, "black"]], showscale=False)
    clicks = go.Scatter(x=[0], y=[0], mode="markers", marker=dict(opacity=0))
    assert len(printed(go.Figure([heat, clicks])).collections) == 1


def test_marks_refer_to_axes():
    figure = go.Figure(go.Scatter(x=[0, 1], y=[0, 1]))
    figure.add_hline(y=0.5, line=dict(dash="dot"))
    figure.add_annotation(x=0, y=1, yref="y domain", text="a<br>b", showarrow=False)
    axes = printed(figure)
    assert [text.get_text() for text in axes.texts] == ["a\nb"]
    assert any(list(line.get_ydata()) == [0.5, 0.5] for line in axes.lines)


def test_crowded_labels_are_turned_and_others_are_not():
    long, short = ([f"{word} {i}" for i in range(6)] for word in ("morphoquant (variant=paper) w4a4", "a"))
    for names, turned in ((long, {35.0}), (short, {0.0})):
        axes = printed(go.Figure(go.Bar(x=names, y=[1] * 6)))
        assert {label.get_rotation() for label in axes.get_xticklabels()} == turned


def test_a_title_longer_than_its_axis_is_broken_before_the_unit():
    title = "Largest absolute activation (activation units, log scale)"
    figure = go.Figure(go.Scatter(x=[1], y=[1]), layout=dict(yaxis=dict(title=dict(text=title))))
    assert printed(figure).get_ylabel() == title.replace(" (", "\n(")
    assert printed(figure.update_yaxes(title_text="SQNR (dB)")).get_ylabel() == "SQNR (dB)"


def test_a_long_legend_makes_the_page_higher():
    lines = [go.Scatter(x=[1, 2], y=[1, 2], name=f"a rather long name of a line {i}") for i in range(6)]
    assert printed(go.Figure(lines)).figure.get_figheight() > printed(go.Figure(lines[:2])).figure.get_figheight() + 0.2
