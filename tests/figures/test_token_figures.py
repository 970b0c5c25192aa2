"""The token x channel figures: bands, scales, and the surface on paper."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from morphoquant.figures.paper import render
from morphoquant.figures.press.canvas import draw
from morphoquant.figures.press.style import style
from morphoquant.figures.press.support import ExportError
from morphoquant.figures.theme import COLOURS
from morphoquant.figures.token_bands import relief
from morphoquant.figures.token_map import token_map
from morphoquant.figures.token_surface import token_surface


def frame(values: np.ndarray, rows: list[tuple[str, str]], stage: str = "before") -> pd.DataFrame:
    count = values.shape[1]
    keys = pd.DataFrame(rows, columns=["modality", "position"]).loc[np.repeat(np.arange(len(rows)), count)]
    cells = dict(layer="m.layers.1.fc", stage=stage, first_channel=np.tile(2 * np.arange(count), len(rows)), channels=2)
    return keys.reset_index(drop=True).assign(**cells, tokens=1, value=values.ravel())


ROWS = [("text", "first"), ("text", "rest"), ("text", "rest"), ("audio", "rest")]
VALUES = np.array([[900.0, 1.0, 0.0], [0.1, 0.2, np.nan], [0.3, 0.4, 0.5], [2.0, 3.0, 4.0]])


def test_bands_are_parted_by_an_empty_row_and_named():
    shape = relief(frame(VALUES, ROWS), "before")
    assert [(band.label, band.begin, band.end) for band in shape.bands] == [
        ("text, first", 0, 0),
        ("text", 2, 3),
        ("audio", 5, 5),
    ]
    assert shape.z.shape == (6, 3) and np.isnan(shape.z[[1, 4]]).all() and shape.width == 6
    np.testing.assert_array_equal(shape.z[[0, 2, 3, 5]], VALUES.astype(np.float32))


def test_the_map_colours_logarithms_and_tells_values():
    before = frame(VALUES, ROWS)
    figure = token_map(pd.concat([before, before.assign(stage="error", value=before["value"] / 10)]))
    maps = [trace for trace in figure.data if trace.type == "heatmap"]
    assert [trace.name for trace in maps] == ["before", "error"] and maps[0].coloraxis == maps[1].coloraxis
    np.testing.assert_allclose(maps[0].z[5], np.log10([2.0, 3.0, 4.0]), rtol=1e-5)
    np.testing.assert_array_equal(maps[0].customdata[0], np.float32([900, 1, 0]))
    axis = figure.layout.coloraxis
    assert maps[0].z[0][2] == pytest.approx(axis.cmin) and axis.cmax == pytest.approx(np.log10(900))
    assert "log scale" in axis.colorbar.title.text and "100" in axis.colorbar.ticktext
    strips = {trace.name: trace.line.color for trace in figure.data if trace.type == "scatter"}
    assert strips == {"text": COLOURS["text"], "audio": COLOURS["audio"]}


def test_the_surface_is_linear_and_stands_on_paper_as_on_the_screen():
    figure = token_surface(frame(VALUES, ROWS))
    surface, *lines = figure.data
    assert np.nanmax(surface.z) == 900 and figure.layout.scene.zaxis.type is None
    assert [line.name for line in lines] == ["text", "text", "audio"] and [line.showlegend for line in lines] == [
        True,
        False,
        True,
    ]
    with style("single"):
        axes = draw(figure, 3.5, "single").axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["text, first", "text", "audio"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1] and axes.get_zlim()[0] == 0 and axes.get_zlim()[1] >= 900
    assert axes.azim == pytest.approx(np.degrees(np.arctan2(figure.layout.scene.camera.eye.y, figure.layout.scene.camera.eye.x)))
    assert render(figure, pd.DataFrame(), ".svg").startswith(b"<?xml")


def test_a_scene_that_has_no_translation_is_refused():
    with pytest.raises(ExportError, match="'markers' in a scene"):
        render(go.Figure(go.Scatter3d(x=[0], y=[0], z=[0], mode="markers")), pd.DataFrame(), ".pdf")
    with pytest.raises(ExportError, match="layout.scene.xaxis.spikecolor"):
        render(go.Figure(layout=dict(scene=dict(xaxis=dict(spikecolor="red")))), pd.DataFrame(), ".pdf")
