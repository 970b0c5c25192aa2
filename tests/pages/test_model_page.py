"""The page of the model as a diagram: its three colourings, the block that is clicked, and a cache without a run."""

import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).parents[2]
LAYER = "model.language_model.layers.1.mlp.down_proj"


@pytest.fixture(scope="module")
def both(small_runs, answer_runs, tmp_path_factory) -> Path:
    """A capture, quantize runs and a sensitivity run in one cache."""
    cache = tmp_path_factory.mktemp("both")
    for runs in (small_runs, answer_runs):
        shutil.copytree(runs.store.cache, cache, dirs_exist_ok=True)
    return cache


def open_model(cache: Path, monkeypatch, **query) -> AppTest:
    monkeypatch.setenv("MORPHOQUANT_CACHE", str(cache))
    monkeypatch.chdir(ROOT)
    app = AppTest.from_file(ROOT / "app.py", default_timeout=60)
    app.run()
    app.switch_page("pages/model.py")
    app.query_params.update(query)
    return app.run()


def said(app: AppTest) -> str:
    return " ".join(element.value for kind in (app.markdown, app.caption, app.error) for element in kind).replace("\\", "")


@pytest.mark.parametrize("view", ["model_error", "model_outliers", "model_sensitivity"])
def test_each_colouring_shows_the_diagram_and_the_worst_block(both, small_runs, monkeypatch, view):
    app = open_model(both, monkeypatch, **{"measure.model": view, "capture": small_runs.capture.run_id})
    assert not app.exception and not app.error and len(app.metric) == 4
    assert len(app.get("plotly_chart")) == 1
    assert "it holds the worst linear" in said(app)
    (chooser,) = app.get("button_group")[:1]
    assert chooser.value == view


def test_a_chosen_layer_opens_its_block_with_links_to_its_pages(small_runs, monkeypatch):
    app = open_model(small_runs.store.cache, monkeypatch, layer=LAYER, run=small_runs.searched.run_id)
    assert not app.exception and "language, block 1" in said(app) and "it holds the worst" not in said(app)
    links = [link.proto for link in app.get("page_link")]
    wanted = [link for link in links if f"layer={LAYER}" in link.query_string]
    assert {link.label for link in wanted} == {"Distribution", "Grid", "Layer error", "What if"}
    assert len(links) == 4 * 3  # q_proj, k_proj and down_proj
    assert all(f"run={small_runs.searched.run_id}" in link.query_string for link in links)


def test_a_cache_without_a_run_and_a_bad_link_say_so(small_runs, tmp_path, monkeypatch):
    app = open_model(tmp_path, monkeypatch)
    assert not app.exception and any("python -m morphoquant demo" in code.value for code in app.code)
    app = open_model(small_runs.store.cache, monkeypatch, run="rtn-w4a4-000000000000")
    assert not app.exception and "unknown run" in said(app)
