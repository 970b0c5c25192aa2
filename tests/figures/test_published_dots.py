"""Published tables as dots: every number once, empty panels left out, axes that fit, and paper export."""

import pytest

from morphoquant.data.published.tables import published_tables
from morphoquant.figures.paper import render
from morphoquant.figures.published_dots import published_dots
from morphoquant.queries.published import FULL_PRECISION, published


def dots(figure) -> int:
    return sum(value is not None for trace in figure.data for value in trace.x)


@pytest.mark.parametrize("name", list(published_tables()))
def test_every_number_is_a_dot(name):
    frame = published(table=name)
    single = frame.groupby("benchmark")["value"].transform("size") == 1
    left_out = single.sum() if not single.all() else 0
    assert dots(published_dots(frame, FULL_PRECISION)) == len(frame) - left_out


def test_full_precision_is_a_line_of_each_model_in_each_panel():
    frame = published(table="masquant-table-2")
    lines = published_dots(frame, FULL_PRECISION).layout.shapes
    full = frame[frame["method"] == FULL_PRECISION]
    assert sorted(line.x0 for line in lines) == sorted(full["value"])


def test_error_rates_over_a_decade_have_a_log_axis_and_accuracies_none():
    figure = published_dots(published(table="masquant-table-2"), FULL_PRECISION)
    titles = {note.text: place for place, note in enumerate(figure.layout.annotations, 1)}
    axes = {name: figure.layout[f"xaxis{place if place > 1 else ''}"] for name, place in titles.items()}
    assert axes["LibriSpeech"].type == "log" and "lower is better" in axes["LibriSpeech"].title.text
    assert axes["MMMU"].type != "log" and "higher is better" in axes["MMMU"].title.text


def test_rows_of_one_method_are_told_apart_by_what_is_printed():
    figure = published_dots(published(table="mbq-table-4"), FULL_PRECISION)
    assert {"AWQ-Pile W3A16", "AWQ-COCO W3A16"} < set(figure.layout.yaxis.categoryarray)


@pytest.mark.parametrize("name", ["masquant-table-1", "morphoquant-v2-table-2"])
@pytest.mark.parametrize("width", ["single", "double"])
def test_it_prints(name, width):
    frame = published(table=name)
    assert render(published_dots(frame, FULL_PRECISION), frame, ".pdf", width).startswith(b"%PDF")
