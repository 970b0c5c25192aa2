"""Coverage badges on the overview, and the figures over depth that are shown on demand."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from morphoquant.core.modality import Modality
from morphoquant.core.selection import Selection
from morphoquant.queries.settling import settling
from morphoquant.ui.settling_figures import RISING

ROOT = Path(__file__).parents[2]


def open_at(cache: Path, monkeypatch, name: str, **query) -> AppTest:
    monkeypatch.setenv("MORPHOQUANT_CACHE", str(cache))
    monkeypatch.chdir(ROOT)
    app = AppTest.from_file(ROOT / "app.py", default_timeout=60)
    app.query_params.update(query)
    app.run()
    if name != "overview":
        app.switch_page(f"pages/{name}.py")
        app.run()
    return app


def test_the_overview_says_what_reached_which_part(small_runs, monkeypatch):
    app = open_at(small_runs.store.cache, monkeypatch, "overview", capture=small_runs.capture.run_id)
    lines = [line.value for line in app.markdown if "-background[" in line.value]
    assert not app.exception and [line.split()[0] for line in lines] == ["vision", "connector", "language"]
    assert "audio 90" in lines[2] and "red" not in lines[2]


def test_the_page_on_coverage_says_what_has_settled(small_runs, monkeypatch):
    app = open_at(small_runs.store.cache, monkeypatch, "coverage", capture=small_runs.capture.run_id)
    assert not app.exception and not app.error and len(app.get("plotly_chart")) == 3
    frame = settling(small_runs.capture, Selection(modalities=(Modality.AUDIO,)))
    added = 100.0 - frame["value"].iat[-2]
    audio = next(metric for metric in app.metric if "audio" in metric.label)
    assert audio.value == ("settled" if added < RISING else "still rising")
    assert any("by the second half; 90 tokens in 1 sample" in line.value for line in app.markdown)


@pytest.mark.parametrize(("name", "key"), [("grid", "entropy"), ("distribution", "ridges")])
def test_figures_over_depth_are_shown_on_demand(small_runs, monkeypatch, name, key):
    app = open_at(small_runs.store.cache, monkeypatch, name, run=small_runs.searched.run_id)
    before = len(app.get("plotly_chart"))
    app.toggle(key=key).set_value(True).run()
    assert not app.exception and not app.error and len(app.get("plotly_chart")) == before + 1
