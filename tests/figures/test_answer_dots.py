"""Full precision and chance are drawn behind every panel, with their numbers."""

from morphoquant.core.selection import Selection
from morphoquant.views.base import VIEWS


def test_full_precision_and_chance_stand_in_every_panel(answer_runs):
    view = VIEWS["accuracy"]
    frame = view.query(answer_runs.store, answer_runs.runs, Selection())
    figure = view.draw(frame, Selection())
    full = frame[frame["method"].isna()].set_index("subject")
    lines = [shape for shape in figure.layout.shapes if shape.type == "line"]
    assert [shape.x0 for shape in lines if shape.line.dash is None] == (100 * full["accuracy"]).tolist()
    assert [shape.x0 for shape in lines if shape.line.dash == "dot"] == (100 * full["chance"]).tolist()
    bands = [(shape.x0, shape.x1) for shape in figure.layout.shapes if shape.type == "rect"]
    assert bands == list(zip(100 * full["low"], 100 * full["high"], strict=True))


def test_the_matrix_is_coloured_over_its_own_range(answer_runs):
    view = VIEWS["calibration_matrix"]
    frame = view.query(answer_runs.store, list(answer_runs.matrix.values()), Selection())
    colours = view.draw(frame, Selection()).layout.coloraxis
    assert (colours.cmin, colours.cmax) == (100 * frame["accuracy"].min(), 100 * frame["accuracy"].max())
    differences = view.draw(frame, Selection(measure="difference")).layout.coloraxis
    assert differences.cmin == -differences.cmax < 0
