"""The bundle in the dashboard: put together where figures are seen, changed and made on its own page."""

import io
import json
import zipfile
from pathlib import Path

import pytest
from fixtures.small_runs import SmallRuns
from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).parents[2]
LAYER = "model.language_model.layers.1.mlp.down_proj"


@pytest.fixture
def app(small_runs: SmallRuns, monkeypatch) -> AppTest:
    monkeypatch.setenv("MORPHOQUANT_CACHE", str(small_runs.store.cache))
    monkeypatch.chdir(ROOT)
    return AppTest.from_file(ROOT / "app.py", default_timeout=60).run()


def at(app: AppTest, page: str, **query) -> AppTest:
    app.switch_page(f"pages/{page}.py")
    app.query_params.update(query)
    return app.run()


def with_figures(app: AppTest, small_runs: SmallRuns) -> AppTest:
    app = at(app, "distribution", layer=LAYER, modality=["audio"])
    app.radio(key="width_channel_ranges").set_value("double").run()
    app.button(key="keep_channel_ranges").click().run()
    app = at(app, "layer_error", run=small_runs.searched.run_id, before=small_runs.rtn4.run_id)
    app.button(key="keep_layer_error").click().run()
    assert not app.exception
    return at(app, "take_away")


def rows(app: AppTest) -> list[str]:
    return [element.value for element in app.markdown if element.value[:2] in ("1.", "2.")]


def test_an_empty_bundle_says_how_to_fill_it(app):
    app = at(app, "take_away")
    assert not app.exception and not app.error
    assert any("No figure is in the bundle yet" in element.value for element in app.markdown)
    assert app.button(key="make_bundle").disabled


def test_figures_seen_are_put_in_and_made(app, small_runs):
    app = with_figures(app, small_runs)
    assert rows(app) == ["1. **Channel ranges**", "2. **Layer error**"]
    app.multiselect(key="bundle_tables").set_value(["methods"]).run()
    app.button(key="make_bundle").click().run()
    assert not app.exception and not app.error
    data = app.session_state["morphoquant.made"][1]
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        ranges, error, table = json.loads(archive.read("provenance.json"))["entries"]
    assert f"--layer {LAYER}" in ranges["command"] and "--modality audio" in ranges["command"] and "double" in ranges["command"]
    assert len(error["runs"]) == 2 and table["files"][0] == "tables/01-methods.tex"
    assert "save_bundle" in offered(app)


def offered(app) -> list[str]:
    """Keys of what can be saved."""
    return [element.proto.id.rpartition("-")[2] for element in app.get("download_button")]


def test_what_is_made_is_offered_only_while_it_is_what_the_list_says(app, small_runs):
    app = with_figures(app, small_runs)
    app.button(key="make_bundle").click().run()
    assert "save_bundle" in offered(app)
    next(button for button in app.button if button.label == "Remove").click().run()
    assert rows(app) == ["1. **Layer error**"] and "save_bundle" not in offered(app)


def test_figures_move_up_and_a_figure_is_in_once(app, small_runs):
    app = with_figures(app, small_runs)
    [button for button in app.button if button.label == "Up"][1].click().run()
    assert rows(app) == ["1. **Layer error**", "2. **Channel ranges**"]
    app = at(app, "layer_error", run=small_runs.searched.run_id, before=small_runs.rtn4.run_id)
    app.button(key="keep_layer_error").click().run()
    assert rows(at(app, "take_away")) == ["1. **Layer error**", "2. **Channel ranges**"]


def test_a_report_is_made_for_the_chosen_run(app, small_runs):
    app = at(app, "take_away")
    app.selectbox(key="report_run").set_value(small_runs.searched.run_id).run()
    app.button(key="make_report").click().run()
    assert not app.exception and not app.error
    run_id, text = app.session_state["morphoquant.report"]
    assert run_id == small_runs.searched.run_id and text.startswith("<!doctype html>")
    assert "save_report" in offered(app)
    app.selectbox(key="report_run").set_value(small_runs.capture.run_id).run()
    assert "save_report" not in offered(app)


def test_an_empty_cache_has_no_report(tmp_path, monkeypatch):
    monkeypatch.setenv("MORPHOQUANT_CACHE", str(tmp_path))
    monkeypatch.chdir(ROOT)
    app = at(AppTest.from_file(ROOT / "app.py", default_timeout=60).run(), "take_away")
    assert not app.exception and any("There is no finished run yet" in element.value for element in app.markdown)
