"""Runs in a notebook: the dashboard's figures by name, their data, and refusals of one sentence."""

import json
from pathlib import Path

import pytest
from fixtures.tiny_omni import CONTROL, tiny_batches, tiny_model
from pandas.testing import assert_frame_equal
from streamlit.testing.v1 import AppTest

import morphoquant
from morphoquant.core.errors import CompareError, MorphoQuantError, SpecError, StoreError, UnknownNameError
from morphoquant.core.modality import Modality
from morphoquant.core.selection import Selection
from morphoquant.core.upstairs import UPSTAIRS, upstairs
from morphoquant.store.run import Run
from morphoquant.views.base import VIEWS

ROOT = Path(__file__).parents[2]
LAYER = "model.language_model.layers.1.mlp.down_proj"


def test_a_figure_is_the_one_the_dashboard_shows(small_runs, monkeypatch):
    monkeypatch.setenv("MORPHOQUANT_CACHE", str(small_runs.store.cache))
    monkeypatch.chdir(ROOT)
    app = AppTest.from_file(ROOT / "app.py", default_timeout=60).run()
    app.switch_page("pages/distribution.py")
    app.query_params.update({"layer": LAYER, "modality": ["text", "audio"], "component": "language"})
    app.run()
    shown = [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]
    ours = small_runs.capture.figure("channel_ranges", layer=LAYER, modality=["text", "audio"])
    assert json.loads(ours.to_json()) in shown


def test_without_a_layer_it_is_the_one_the_dashboard_opens_with(small_runs, monkeypatch):
    monkeypatch.setenv("MORPHOQUANT_CACHE", str(small_runs.store.cache))
    monkeypatch.chdir(ROOT)
    app = AppTest.from_file(ROOT / "app.py", default_timeout=60).run()
    for page, view in (("distribution", "channel_ranges"), ("tokens", "token_map")):
        app.switch_page(f"pages/{page}.py").run()
        shown = [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]
        assert json.loads(small_runs.capture.figure(view).to_json()) in shown


def test_the_data_is_the_views_own_frame(small_runs):
    selection = Selection(layer=LAYER, modalities=(Modality.IMAGE,))
    frame = VIEWS["channel_ranges"].query(small_runs.store, [small_runs.capture], selection)
    assert_frame_equal(small_runs.capture.figure_data("channel_ranges", layer=LAYER, modality="image"), frame)


def test_the_first_token_is_taken_in_when_asked_for(small_runs):
    both = small_runs.capture.figure_data("tokens_by_modality", first=True)
    assert set(both["position"]) == {"first", "rest"}
    assert set(small_runs.capture.figure_data("tokens_by_modality")["position"]) == {"rest"}


@pytest.mark.parametrize("name", list(VIEWS))
def test_every_filter_that_changes_a_figure_is_one_that_the_view_names(small_runs, answer_runs, inside_runs, name):
    view, at = VIEWS[name], small_runs.store
    runs = {"capture": [small_runs.capture], "quantize": [small_runs.searched], "many": small_runs.quantized[: view.most]}
    runs |= {
        "evaluate": answer_runs.runs[1:3],
        "sensitivity": [answer_runs.sensitivity],
        "none": [],
        "inspect": [inside_runs.fine],
    }
    runs["evaluate"] = list(answer_runs.matrix.values()) if name == "calibration_matrix" else runs["evaluate"]
    at = answer_runs.store if view.runs in ("evaluate", "sensitivity") else at
    layer = {"layer": LAYER} if "layer" in view.takes else {}
    frame = view.query(at, runs[view.runs], Selection(**layer))
    plain = view.draw(frame, Selection(**layer)).to_json()
    for field, value in {"layer": LAYER, "channel": 3}.items():
        marked = view.draw(frame, Selection(**layer | {field: value})).to_json()
        assert marked == plain or field in view.takes | view.rings


def test_a_layer_and_a_channel_are_ringed_as_in_the_dashboard(small_runs):
    channels = small_runs.capture.figure("channel_ranges", layer=LAYER, channel=3)
    assert len(channels.data) > len(small_runs.capture.figure("channel_ranges", layer=LAYER).data)
    errors = small_runs.searched.figure("layer_error", layer=LAYER)
    assert len(errors.data) > len(small_runs.searched.figure("layer_error").data)


def test_a_quantize_run_answers_for_its_capture_too(small_runs):
    assert_frame_equal(
        small_runs.rtn4.figure_data("channel_ranges", layer=LAYER),
        small_runs.capture.figure_data("channel_ranges", layer=LAYER),
    )


def test_runs_stand_beside_each_other_by_name_by_run_or_all(small_runs):
    named = small_runs.rtn4.figure_data("compare_methods", beside=[small_runs.rtn8.run_id, small_runs.searched])
    assert list(dict.fromkeys(named["run_id"])) == [run.run_id for run in small_runs.quantized]
    everything = small_runs.rtn4.figure_data("compare_methods", beside="all")
    assert set(named["run_id"]) < set(everything["run_id"])
    assert small_runs.other_seed.run_id not in set(everything["run_id"])
    pair = small_runs.searched.figure_data("layer_error", beside=small_runs.rtn4)
    stages = pair.groupby("stage")["run_id"].unique().to_dict()
    assert stages["before"] == [small_runs.rtn4.run_id] and stages["after"] == [small_runs.searched.run_id]


def test_evaluations_answer_too(answer_runs):
    run = answer_runs.quantised["morphoquant", "w4a4"]
    assert set(run.figure_data("accuracy", beside="all", subject="audio")["subject"]) == {"audio"}
    assert len(run.figure("paired_test", beside="all").data)


def test_what_if_settings_are_read_as_python_writes_them(small_runs):
    plain = small_runs.capture.figure_data("what_if_grid", layer=LAYER)
    tried = small_runs.capture.figure_data("what_if_grid", layer=LAYER, what_if={"bits": 3, "bypass": True})
    assert not plain.equals(tried)


def test_a_run_that_was_just_captured_shows_its_figures(tmp_path):
    run = morphoquant.capture(tiny_model(), tiny_batches(), store=tmp_path, control=CONTROL, keep_rows=8)
    tokens = run.figure_data("tokens_by_modality", first=True)
    assert tokens.groupby("modality")["tokens"].sum()["text"] == 48
    assert len(run.figure("channel_ranges", modality="audio").data)


def test_figures_lists_what_a_run_can_answer(small_runs, answer_runs):
    of_capture, of_quantised = (set(run.figures()["name"]) for run in (small_runs.capture, small_runs.rtn4))
    known = [*VIEWS.items(), *VIEWS.several().items()]
    assert {name for name, view in known if view.runs == "capture"} == of_capture < of_quantised
    assert "accuracy" in set(answer_runs.full.figures()["name"])
    takes = small_runs.capture.figures().set_index("name")["takes"]
    assert takes["channel_ranges"] == "channel, first, layer, modality"


@pytest.mark.parametrize(
    ("asked", "kind", "sentence"),
    [
        (dict(view="chanel_ranges"), UnknownNameError, "did you mean 'channel_ranges'"),
        (dict(view="worst_layers", layer=LAYER), UnknownNameError, "known are component, first, measure, modality, role"),
        (dict(view="channel_ranges", layer="no.such.layer"), UnknownNameError, "no.such.layer"),
        (dict(view="channel_ranges", modality="smell"), UnknownNameError, "unknown modality 'smell'"),
        (dict(view="activation_histogram", channel=3), SpecError, "channel 3 of which layer?"),
        (dict(view="depth_profile", measure="absmx"), UnknownNameError, "unknown measure"),
        (dict(view="layer_error"), StoreError, "shows quantize runs"),
        (dict(view="what_if_grid", what_if={"bits": 12}), SpecError, "allowed are values from 2 to 8"),
    ],
)
def test_a_refusal_is_one_sentence(small_runs, asked, kind, sentence):
    with pytest.raises(kind, match=sentence.replace("?", r"\?")) as said:
        small_runs.capture.figure(**asked)
    assert isinstance(said.value, MorphoQuantError) and "\n" not in str(said.value)


def test_more_runs_than_a_view_takes_are_refused(small_runs):
    with pytest.raises(CompareError, match="takes 2 runs at most, 3 are named"):
        small_runs.rtn4.figure("layer_error", beside=[small_runs.rtn8, small_runs.searched])


def test_open_takes_an_identifier_a_kind_or_a_method_and_spec(small_runs, monkeypatch):
    cache = small_runs.store.cache
    assert morphoquant.open(small_runs.rtn8.run_id, cache).run_id == small_runs.rtn8.run_id
    assert morphoquant.open("capture", cache).run_id == small_runs.capture.run_id
    assert morphoquant.open("rtn-w8a8", cache).run_id == small_runs.rtn8.run_id
    monkeypatch.setenv("MORPHOQUANT_CACHE", str(cache))
    assert isinstance(morphoquant.open("quantize"), Run)


def test_open_says_what_is_missing(small_runs, tmp_path):
    with pytest.raises(StoreError, match="no finished evaluate run .* python -m morphoquant evaluate"):
        morphoquant.open("evaluate", small_runs.store.cache)
    with pytest.raises(UnknownNameError, match="unknown run 'rtn-w2a2'"):
        morphoquant.open("rtn-w2a2", small_runs.store.cache)


def test_the_door_names_things_that_are_there():
    assert len(UPSTAIRS) == 3
    assert all(callable(upstairs(name)) for name in UPSTAIRS)
