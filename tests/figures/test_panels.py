"""Panels in columns of which the last row has fewer: the lowest panel of every column says what its x axis shows."""

import pytest
from plotly.subplots import make_subplots

from morphoquant.figures.panels import title_last


@pytest.mark.parametrize(("panels", "columns", "bottom"), [(1, 1, [(1, 1)]), (4, 2, [(2, 1), (2, 2)]), (5, 2, [(3, 1), (2, 2)])])
def test_the_lowest_panel_of_a_column_has_title_and_ticks(panels, columns, bottom):
    figure = make_subplots(rows=-(-panels // columns), cols=columns, shared_xaxes="all")
    title_last(figure, "Channel", panels, columns)
    titled = [axis for axis in figure.select_xaxes() if axis.title.text == "Channel"]
    wanted = {next(figure.select_xaxes(row=row, col=column)).plotly_name for row, column in bottom}
    assert {axis.plotly_name for axis in titled} == wanted and all(axis.showticklabels for axis in titled)
