"""Few methods are bars with numbers, many are sorted rows of dots with numbers."""

import numpy as np
import pandas as pd
import pytest

from morphoquant.figures.method_bars import MOST_BARS, method_bars
from morphoquant.figures.paper import render


def compared(count: int) -> pd.DataFrame:
    rows = [(f"m{i} w4a4", name, 10.0 + i, "layer") for i in range(count) for name in ("text", "image")]
    return pd.DataFrame(rows, columns=["label", "modality", "pooled_sqnr_db", "worst_layer"])


def test_bars_carry_numbers_in_the_colour_of_the_modality():
    figure = method_bars(compared(MOST_BARS), "pooled_sqnr_db", "SQNR (dB)")
    assert [trace.name for trace in figure.data] == ["text", "image"]
    assert figure.data[0].marker.color == "#0072B2" and figure.data[0].text[0] == "10.0"
    assert figure.layout.yaxis.title.text == "SQNR (dB)"


def test_twenty_methods_are_sorted_rows_of_dots_that_print():
    frame = compared(20).sample(frac=1.0, random_state=0)
    figure = method_bars(frame, "pooled_sqnr_db", "SQNR (dB)")
    assert [trace.name for trace in figure.data] == ["text", "image"]
    assert list(figure.layout.yaxis.categoryarray) == [f"m{i} w4a4" for i in range(19, -1, -1)]
    assert all(trace.text[place] == f"{value:.1f}" for trace in figure.data for place, value in enumerate(trace.x))
    assert b"16.0" in render(figure, frame, ".svg", "double")


def test_a_run_that_loses_nothing_is_a_word_on_top():
    frame = compared(7)
    frame.loc[frame["label"] == "m3 w4a4", "pooled_sqnr_db"] = np.inf
    figure = method_bars(frame, "pooled_sqnr_db", "SQNR (dB)")
    assert figure.layout.yaxis.categoryarray[0] == "m3 w4a4"
    place = list(figure.data[0].y).index("m3 w4a4")
    assert (
        figure.data[0].text[place] == "exact" and figure.data[0].marker.size[place] < 1 and np.isfinite(figure.data[0].x[place])
    )


def test_an_exact_method_has_its_word_and_no_bar():
    frame = compared(1).assign(pooled_sqnr_db=[np.inf, 20.0])
    figure = method_bars(frame, "pooled_sqnr_db", "SQNR (dB)")
    assert np.isnan(figure.data[0].y[0]) and figure.data[0].text[0] == "exact" and figure.data[1].y[0] == pytest.approx(20.0)
