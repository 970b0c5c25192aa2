"""The ring stands on the chosen point and nowhere else, on the page and in print."""

import pandas as pd
import pytest

from morphoquant.core.selection import Selection
from morphoquant.figures.chosen_point import ring_channel, ring_layer
from morphoquant.figures.paper import render
from morphoquant.figures.range_bands import range_bands
from morphoquant.views.base import VIEWS

LAYER = "model.language_model.layers.1.mlp.down_proj"


def _bands() -> pd.DataFrame:
    rows = [("m.fc2", name, c, c, 1, -low, high) for name in ("text", "audio") for c, low, high in ((0, 1.0, 2.0), (1, 9.0, 3.0))]
    return pd.DataFrame(rows, columns=["layer", "modality", "channel", "first_channel", "channels", "min", "max"])


def _rings(figure) -> list:
    return [trace for trace in figure.data if trace.marker.symbol == "circle-open" and trace.marker.size == 14]


@pytest.mark.parametrize("view", ["layer_error", "compare_depth", "error_split"])
def test_the_layer_is_ringed_where_it_has_points(small_runs, view):
    measure = "clip_share" if view == "error_split" else None
    selection = Selection(layer=LAYER, measure=measure)
    frame = VIEWS[view].query(small_runs.store, [small_runs.rtn4], selection)
    figure = VIEWS[view].draw(frame, selection)
    rings = _rings(figure)
    assert rings and all(trace.customdata[0][0] == LAYER for trace in rings)
    column = "clip_share_percent" if view == "error_split" else "value"
    values = frame.loc[(frame["layer"] == LAYER) & frame[column].notna(), column]
    assert sorted(trace.y[0] for trace in rings) == pytest.approx(sorted(values))
    assert [trace.showlegend for trace in rings].count(True) == 1
    assert _rings(VIEWS[view].draw(frame, Selection(measure=measure))) == []
    assert render(figure, frame, ".pdf", "single").startswith(b"%PDF")


def test_a_layer_that_is_not_drawn_leaves_the_figure_alone():
    figure = range_bands(_bands())
    before = len(figure.data)
    assert len(ring_layer(figure, "no.such.layer").data) == before


def test_the_end_of_the_channel_that_is_farther_from_zero_is_ringed_in_each_panel():
    figure = ring_channel(range_bands(_bands()), 1)
    assert [trace.y[0] for trace in _rings(figure)] == [-9.0, -9.0]
    assert len({trace.yaxis for trace in _rings(figure)}) == 2
    assert _rings(ring_channel(range_bands(_bands()), 7)) == []
    assert render(figure, _bands(), ".pdf", "single").startswith(b"%PDF")
