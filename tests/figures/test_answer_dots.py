"""Full precision and chance are drawn behind every panel, with their numbers."""

import numpy as np
import pytest
from plotly.colors import hex_to_rgb, sample_colorscale, unlabel_rgb

from morphoquant.core.selection import Selection
from morphoquant.figures.inks import luminance
from morphoquant.views.base import VIEWS


def test_full_precision_and_chance_stand_in_every_panel(answer_runs):
    view = VIEWS["accuracy"]
    frame = view.query(answer_runs.store, answer_runs.runs, Selection())
    figure = view.draw(frame, Selection())
    full = frame[frame["method"].isna()].set_index("subject")
    lines = [shape for shape in figure.layout.shapes if shape.type == "line"]
    assert [shape.x0 for shape in lines if shape.line.dash is None] == (100 * full["accuracy"]).tolist()
    assert [shape.x0 for shape in lines if shape.line.dash == "dot"] == pytest.approx((100 * full["chance"]).tolist())
    bands = [(shape.x0, shape.x1) for shape in figure.layout.shapes if shape.type == "rect"]
    assert bands == list(zip(100 * full["low"], 100 * full["high"], strict=True))


def test_the_matrix_is_coloured_over_its_own_range(answer_runs):
    view = VIEWS["calibration_matrix"]
    frame = view.query(answer_runs.store, list(answer_runs.matrix.values()), Selection())
    colours = view.draw(frame, Selection()).layout.coloraxis
    assert (colours.cmin, colours.cmax) == (100 * frame["accuracy"].min(), 100 * frame["accuracy"].max())
    differences = view.draw(frame, Selection(measure="difference")).layout.coloraxis
    assert differences.cmin == -differences.cmax < 0


def test_every_number_of_the_matrix_is_read_on_its_colour(answer_runs):
    view = VIEWS["calibration_matrix"]
    frame = view.query(answer_runs.store, list(answer_runs.matrix.values()), Selection())
    for measure, rows in (("accuracy", 1), ("difference", 0)):
        figure = view.draw(frame, Selection(measure=measure))
        bar, written = figure.layout.coloraxis, []
        for trace in figure.data:
            for place, text in np.ndenumerate(np.array(trace.text)):
                if not text:
                    continue
                share = min(max((trace.z[place] - bar.cmin) / (bar.cmax - bar.cmin), 0.0), 1.0)
                colour = sample_colorscale([list(stop) for stop in bar.colorscale], [share])[0]
                cell, ink = luminance(unlabel_rgb(colour)) + 0.05, luminance(hex_to_rgb(trace.textfont.color)) + 0.05
                assert max(cell, ink) / min(cell, ink) >= 4.5
                written.append(place)
        cells = frame["subject"].nunique() * (frame["calibration"].nunique() + rows)  # with the row of full precision
        assert len(written) == len({*written}) == cells
