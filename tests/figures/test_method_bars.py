"""Few methods are bars with numbers, many are a map with numbers."""

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


def test_many_methods_are_a_map_that_prints():
    figure = method_bars(compared(MOST_BARS + 1), "pooled_sqnr_db", "SQNR (dB)")
    (heat,) = figure.data
    assert heat.type == "heatmap" and np.shape(heat.z) == (MOST_BARS + 1, 2) and heat.text[0][0] == "10.0"
    assert b"16.0" in render(figure, compared(7), ".svg", "double")


def test_an_exact_method_has_its_word_and_no_bar():
    frame = compared(1).assign(pooled_sqnr_db=[np.inf, 20.0])
    figure = method_bars(frame, "pooled_sqnr_db", "SQNR (dB)")
    assert np.isnan(figure.data[0].y[0]) and figure.data[0].text[0] == "exact" and figure.data[1].y[0] == pytest.approx(20.0)
