"""The Grid page of a run whose method changes the basis: what it shows, what it refuses, and that it is no page's default."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from fixtures.small_runs import SmallRuns
from streamlit.testing.v1 import AppTest

from morphoquant.store.run_store import RunStore

ROOT = Path(__file__).parents[2]


@pytest.fixture
def rotated(small_runs: SmallRuns, tmp_path, monkeypatch) -> str:
    """The newest run of a copy of the small ones: its grids are those of a rotation."""
    shutil.copytree(small_runs.store.cache, tmp_path, dirs_exist_ok=True)
    plan = replace(small_runs.searched.plan, method="quarot+mdqfo")
    with RunStore(tmp_path).writer(plan) as writer:
        writer.finish({name: [small_runs.searched.table(name)] for name in small_runs.searched.header.tables}, {})
    monkeypatch.setenv("MORPHOQUANT_CACHE", str(tmp_path))
    monkeypatch.chdir(ROOT)
    return plan.run_id


def opened(**query) -> AppTest:
    app = AppTest.from_file(ROOT / "app.py", default_timeout=60).run()
    app.switch_page("pages/grid.py")
    app.query_params.update(query)
    app = app.run()
    assert not app.exception and not app.error
    return app


def said(app: AppTest) -> str:
    return " ".join(element.value for element in app.markdown).replace("\\", "")


def test_levels_of_a_rotation_are_not_drawn_over_the_inputs_own_values(rotated):
    app = opened(run=rotated)
    assert "quarot can scale, reorder or mix the channels" in said(app)
    assert said(app).count("may round other channels than those of the input") == 2
    assert len(app.get("plotly_chart")) == 2 and len(app.metric) == 4


def test_a_run_that_every_page_can_show_comes_first(rotated):
    app = opened()
    assert app.selectbox(key="morphoquant.widget.run").value != rotated
    assert "may round other channels" not in said(app) and len(app.get("plotly_chart")) == 4
