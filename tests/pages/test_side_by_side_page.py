"""The page that sets runs side by side: by link and by click, with the reason where they must not stand together."""

from pathlib import Path

import pytest
from fixtures.small_runs import SmallRuns
from streamlit.testing.v1 import AppTest

from morphoquant.ui.side_scene import FIGURES
from morphoquant.views.base import VIEWS

ROOT = Path(__file__).parents[2]
LAYER = "model.language_model.layers.1.mlp.down_proj"


@pytest.fixture
def app(small_runs: SmallRuns, monkeypatch) -> AppTest:
    monkeypatch.setenv("MORPHOQUANT_CACHE", str(small_runs.store.cache))
    monkeypatch.chdir(ROOT)
    return AppTest.from_file(ROOT / "app.py", default_timeout=180).run()


def at(app: AppTest, page: str = "side_by_side", **query) -> AppTest:
    app.switch_page(f"pages/{page}.py")
    app.query_params.update(query)
    return app.run()


def charts(app: AppTest) -> list:
    return app.get("plotly_chart")


def said(app: AppTest) -> str:
    kinds = (app.error, app.warning, app.markdown, app.caption)
    return " ".join(element.value for kind in kinds for element in kind).replace("\\", "")


def test_it_opens_with_plain_rounding_first_and_both_figures(app):
    app = at(app)
    assert not app.exception and not app.error and not app.warning
    assert [title.value for title in app.title] == ["Where do these runs differ?"]
    assert app.metric[0].label == "Set against" and app.metric[0].value.startswith("rtn") and len(charts(app)) == 2
    assert set(app.metric[2].value.split(", ")) <= {"method", "fields", "spec"}


def test_a_link_brings_figure_runs_and_their_order(app, small_runs):
    runs = [small_runs.searched.run_id, small_runs.rtn4.run_id]
    app = at(app, runs=runs, figure="grid_placement", layer=LAYER)
    assert not app.exception and not app.error
    assert app.metric[0].value.startswith("morphoquant") and len(charts(app)) == 1 and "nothing to subtract" in said(app)
    link = " ".join(code.value for code in app.code)
    assert "figure=grid_placement" in link and link.index(runs[0]) < link.index(runs[1])
    app.button(key="keep_side_grid_placement").click().run()
    app = at(app, "take_away")
    assert any(element.value == "1. **Grid placement, side by side**" for element in app.markdown)


def test_the_runs_that_are_compared_come_along(app, small_runs):
    app = at(app, "compare", runs=[small_runs.rtn8.run_id, small_runs.rtn4.run_id])
    assert "side_by_side" in [link.proto.page for link in app.get("page_link")]
    app = at(app)
    assert app.metric[0].value == "rtn w8a8" and app.metric[1].value == "rtn w4a4" and app.metric[2].value == "spec"


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        (dict(runs=["rtn4", "other_seed"]), "differ in seed"),
        (dict(runs=["rtn4"]), "2 to 4 runs, 1 is chosen"),
        (dict(runs=["rtn4", "dynamic"], figure="grid_placement"), "has no fixed grids"),
        (dict(figure="channel_ranges"), "2 to 4 runs, 1 is chosen"),
        (dict(figure="worst_layers"), "unknown figure side by side 'worst_layers'"),
        (dict(figure="channel_ranges", captures=["capture-000000000000"]), "unknown capture"),
    ],
)
def test_what_cannot_stand_side_by_side_is_one_sentence(app, small_runs, query, sentence):
    named = {"runs": [getattr(small_runs, run).run_id for run in query["runs"]]} if "runs" in query else {}
    app = at(app, **query | named)
    assert not app.exception and sentence in said(app) and not charts(app)


def test_an_empty_cache_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("MORPHOQUANT_CACHE", str(tmp_path))
    monkeypatch.chdir(ROOT)
    app = at(AppTest.from_file(ROOT / "app.py", default_timeout=180).run())
    assert not app.exception and not app.error and "holds no capture yet" in said(app)


def test_every_view_that_can_stand_beside_itself_is_in_the_menu():
    assert set(FIGURES) == {name for name, view in VIEWS.items() if view.beside}
