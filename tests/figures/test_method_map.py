"""Methods over the layers as a map: distances from the median run, sorted rows, layers that can be clicked."""

import numpy as np
import pandas as pd
import pytest

from morphoquant.figures.method_map import method_map
from morphoquant.figures.paper import render


def measured(values: dict[str, list[float]]) -> pd.DataFrame:
    rows = [
        (f"model.layers.{block}.q_proj", f"L{block} q_proj", "language", "q_proj", block, run, value)
        for run, found in values.items()
        for block, value in enumerate(found)
    ]
    return pd.DataFrame(rows, columns=["layer", "label", "component", "role", "order", "label_run", "value"])


def test_a_cell_is_the_distance_from_the_median_run_of_its_layer():
    frame = measured({"a w4a4": [10.0, 20.0], "b w4a4": [12.0, 26.0], "c w4a4": [11.0, np.inf]})
    figure = method_map(frame, "Output SQNR, text (dB)")
    heat, dots = figure.data
    assert list(heat.y) == ["c w4a4", "b w4a4", "a w4a4"] and list(heat.x) == ["L0 q_proj", "L1 q_proj"]
    assert np.allclose(heat.z, [[0.0, np.nan], [1.0, 3.0], [-1.0, -3.0]], equal_nan=True)
    assert heat.zmin == -heat.zmax and "less the median" in heat.colorbar.title.text
    assert dots.marker.opacity == 0 and dots.customdata[0][0] == "model.layers.0.q_proj" and "exact" in dots.text
    assert render(figure, frame, ".pdf", "double").startswith(b"%PDF")


def test_an_error_is_a_ratio_and_the_smallest_stands_on_top():
    figure = method_map(measured({"a": [1e-2, 1e-2], "b": [1e-3, 1e-3], "c": [1e-4, 1e-4]}), "Error (1, log scale)", log=True)
    heat = figure.data[0]
    assert list(heat.y) == ["c", "b", "a"] and np.allclose(heat.z, [[-1, -1], [0, 0], [1, 1]])
    plain = method_map(measured({"a": [1.0], "b": [2.0]}), "SQNR (dB)").data[0]
    assert heat.colorscale[0][1] == plain.colorscale[-1][1], "better is blue in both"
    assert [float(text) for text in heat.colorbar.ticktext] == pytest.approx([0.1, 0.316, 1.0, 3.16, 10.0])
