"""Every registered view answers, draws within its weight, and prints in every format."""

import ast
from dataclasses import replace
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
import pytest

from morphoquant import views
from morphoquant.core.errors import UnknownNameError
from morphoquant.core.modality import CONTENT
from morphoquant.core.selection import Selection
from morphoquant.figures.paper import FORMATS, render
from morphoquant.figures.theme import COLOURS
from morphoquant.views.base import VIEWS

FILES = [path for path in sorted(Path(views.__path__[0]).glob("*.py")) if path.stem not in ("__init__", "base", "composed")]
LANGUAGE = Selection(component="language", modalities=CONTENT)
CASES = [(name, measure.name if measure else None) for name, view in VIEWS.items() for measure in (view.measures or (None,))]
# The measures of these are ways to look at one quantity, or tables; how to read them says enough.
CUTS = {"hidden_states", "mask_sets", "paired_test", "published", "token_map", "token_surface"}
PAYLOAD = 1_000_000


def ask(small_runs, name: str, selection: Selection, answer_runs=None, inside_runs=None):
    view = VIEWS[name]
    if view.runs == "inspect":
        runs = [inside_runs.rough, inside_runs.fine][: view.most]
        frame = view.query(inside_runs.store, runs, selection)
        return frame, view.draw(frame, selection)
    if view.runs in ("evaluate", "sensitivity"):
        return ask_answers(answer_runs, name, selection)
    runs = {"capture": [small_runs.capture], "quantize": [small_runs.searched], "many": small_runs.quantized, "none": []}
    runs = runs[view.runs]
    if view.most == 2:
        runs = [small_runs.rtn4, small_runs.searched]
    if view.after and selection.measure not in (None, "before"):
        runs = [small_runs.searched]
    frame = view.query(small_runs.store, runs, selection)
    return frame, view.draw(frame, selection)


def ask_answers(answer_runs, name: str, selection: Selection):
    view = VIEWS[name]
    pair = [answer_runs.quantised["rtn", "w4a4"], answer_runs.quantised["morphoquant", "w4a4"]]
    runs = pair if view.most == 2 else [answer_runs.sensitivity] if view.runs == "sensitivity" else answer_runs.runs
    runs = list(answer_runs.matrix.values()) if name == "calibration_matrix" else runs
    frame = view.query(answer_runs.store, runs, selection)
    return frame, view.draw(frame, selection)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_registers_one_view_of_its_own_name(path):
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    names = [call.args[0].value for call in calls if ast.unparse(call.func) == "VIEWS.add"]
    assert names == [path.stem] and VIEWS[path.stem].name == path.stem


@pytest.mark.parametrize(("name", "measure"), CASES)
def test_a_view_answers_and_draws(small_runs, answer_runs, inside_runs, name, measure):
    frame, figure = ask(small_runs, name, replace(LANGUAGE, measure=measure), answer_runs, inside_runs)
    assert len(frame) and isinstance(figure, go.Figure) and len(figure.data)
    assert len(figure.to_json()) < PAYLOAD
    across = [*figure.select_xaxes(), *(scene.xaxis for scene in figure.select_scenes())]
    bottom = [axis.title.text for axis in across if axis.showticklabels is not False]
    assert any(bottom), "an x axis says what it shows"
    for axis in [*figure.select_xaxes(), *figure.select_yaxes()]:
        if axis.type == "log" and axis.title.text:
            assert "log scale" in axis.title.text
        assert axis.ticktext is None or len(axis.ticktext) <= 16


def test_every_measure_says_in_a_line_what_it_tells():
    told = {(name, measure.name): measure.meaning for name, view in VIEWS.items() for measure in view.measures}
    assert {name for (name, _), meaning in told.items() if not meaning} == CUTS
    assert all(meaning.endswith(".") and len(meaning) <= 130 for meaning in told.values() if meaning)
    view = VIEWS["layer_error"]
    one, two = pd.DataFrame({"stage": ["after"]}), pd.DataFrame({"stage": ["before", "after"]})
    told = view.told(one, Selection(measure="output_cosine"))
    assert told.startswith("Cosine") and "SQNR" not in view.how_to_read
    # One run alone, as each is side by side, has no run before it.
    assert "Hollow" not in told and "Hollow" in view.told(two, Selection())


@pytest.mark.parametrize("name", list(VIEWS))
def test_a_view_of_the_whole_model_answers_too(small_runs, answer_runs, inside_runs, name):
    frame, figure = ask(small_runs, name, Selection(), answer_runs, inside_runs)
    assert len(frame) and len(figure.data)


@pytest.mark.parametrize("name", list(VIEWS))
def test_a_view_prints(small_runs, answer_runs, inside_runs, name):
    frame, figure = ask(small_runs, name, LANGUAGE, answer_runs, inside_runs)
    assert render(figure, frame, ".pdf", "single").startswith(b"%PDF")
    for suffix in (".csv", ".md", ".tex"):
        assert len(render(None, frame, suffix).splitlines()) > len(frame)


@pytest.mark.parametrize("name", ["compare_methods", "outlier_mask", "grid_placement"])
def test_a_view_goes_into_every_format(small_runs, name):
    frame, figure = ask(small_runs, name, LANGUAGE)
    starts = {".pdf": b"%PDF", ".svg": b"<?xml", ".png": b"\x89PNG", ".html": b"<!doctype html>"}
    for suffix in FORMATS:
        assert render(figure, frame, suffix, "double").startswith(starts.get(suffix, b""))


@pytest.mark.parametrize("name", ["depth_profile", "activation_histogram", "layer_error", "tokens_by_modality"])
def test_modalities_wear_their_colours(small_runs, name):
    _, figure = ask(small_runs, name, LANGUAGE)
    text = figure.to_json().lower()
    for modality in CONTENT:
        assert COLOURS[modality].lower() in text


def test_clicks_lead_to_a_layer_and_channel(small_runs):
    frame, figure = ask(small_runs, "depth_profile", LANGUAGE)
    layer, channel = figure.data[0].customdata[0][:2]
    assert layer in set(frame["layer"]) and isinstance(channel, int)
    _, mask = ask(small_runs, "outlier_mask", LANGUAGE)
    markers = next(trace for trace in mask.data if trace.type == "scatter")
    assert markers.marker.opacity == 0 and len(markers.customdata[0]) == 2


def test_before_is_dashed_and_after_is_solid(small_runs):
    frame = VIEWS["layer_error"].query(small_runs.store, [small_runs.rtn4, small_runs.searched], LANGUAGE)
    figure = VIEWS["layer_error"].draw(frame, LANGUAGE)
    dashes = {trace.name: trace.line.dash for trace in figure.data if trace.x[0] is None}
    assert dashes == {"before: rtn w4a4": "dash", "after: morphoquant w4a4": "solid"}
    assert {trace.line.dash for trace in figure.data if trace.name == "text"} == {"dash", "solid"}


def test_an_unknown_view_or_measure_is_named(small_runs):
    with pytest.raises(UnknownNameError, match="did you mean 'worst_layers'"):
        VIEWS["worst_layer"]
    with pytest.raises(UnknownNameError, match="unknown measure 'absmx'"):
        ask(small_runs, "depth_profile", replace(LANGUAGE, measure="absmx"))
