"""The page of tokens: with and without a quantised run, the first token's switch, and a run that keeps no tokens."""

import json
import shutil
from pathlib import Path

import pytest
from fixtures.small_runs import SmallRuns
from streamlit.testing.v1 import AppTest

from morphoquant.store.ship import ship

ROOT = Path(__file__).parents[2]
LAYER = "model.language_model.layers.2.self_attn.q_proj"


@pytest.fixture
def cache(small_runs: SmallRuns, tmp_path, monkeypatch) -> Path:
    """A cache that a test fills, which the page looks at."""
    monkeypatch.setenv("MORPHOQUANT_CACHE", str(tmp_path))
    monkeypatch.chdir(ROOT)
    return tmp_path


def opened(**query) -> AppTest:
    app = AppTest.from_file(ROOT / "app.py", default_timeout=60).run()
    app.switch_page("pages/tokens.py")
    app.query_params.update({name.replace("__", "."): value for name, value in query.items()})
    app = app.run()
    assert not app.exception and not app.error
    return app


def said(app: AppTest) -> str:
    return " ".join(element.value for kind in (app.markdown, app.caption) for element in kind).replace("\\", "")


def drawn(app: AppTest) -> list[dict]:
    return [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]


def test_a_capture_alone_is_shown_and_after_asks_for_a_run(cache, small_runs):
    shutil.copytree(small_runs.capture.folder, cache / "runs" / small_runs.capture.run_id)
    app = opened(layer=LAYER)
    assert [figure["data"][0]["type"] for figure in drawn(app)] == ["surface", "heatmap"]
    assert f"the input of {LAYER} (language, block 2, 32 channels" in said(app) and "first 1 of 4" not in said(app)
    app = opened(layer=LAYER, measure__token_surface="error", first="1")
    assert "no quantised run is chosen" in said(app) and "text first 1 of 4" in said(app)
    assert float(app.metric[2].value.rstrip("×")) > 1


def test_with_a_run_before_after_and_error_stand_below_each_other(cache, small_runs):
    shutil.copytree(small_runs.store.cache, cache, dirs_exist_ok=True)
    asked = dict(layer=LAYER, measure__token_surface="error", measure__token_map="beside")
    surface, heat = drawn(opened(run=small_runs.searched.run_id, **asked))
    assert surface["layout"]["title"]["text"].startswith("Error")
    assert [trace["name"] for trace in heat["data"] if trace["type"] == "heatmap"] == ["before", "after", "error"]
    app = opened(run=small_runs.dynamic.run_id, layer=LAYER, measure__token_map="beside")
    assert "has no fixed grids" in said(app) and len(drawn(app)) == 1


def test_a_run_without_tokens_names_the_command_that_keeps_some(cache, small_runs):
    ship(small_runs.capture, cache / "stored", {LAYER})
    app = opened()
    assert said(app).count("python -m morphoquant capture --model demo") == 2 and not drawn(app)
    assert len(app.metric) == 4
