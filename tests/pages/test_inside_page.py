"""The page on inspect runs: its numbers, menus and links, and what it says where there is nothing to look at."""

from pathlib import Path

import pytest
from fixtures.answer_runs import write_run
from fixtures.inside_runs import PLAN, InsideRuns
from streamlit.testing.v1 import AppTest

from morphoquant.core.modality import CONTENT
from morphoquant.core.selection import Selection
from morphoquant.figures.theme import three_digits
from morphoquant.queries.attention import attention_choices
from morphoquant.queries.propagation import propagation
from morphoquant.store.run_store import RunStore

ROOT = Path(__file__).parents[2]


@pytest.fixture
def whole(inside_runs: InsideRuns, monkeypatch) -> InsideRuns:
    """Two inspect runs, in the cache that the page looks at."""
    monkeypatch.setenv("MORPHOQUANT_CACHE", str(inside_runs.store.cache))
    monkeypatch.chdir(ROOT)
    return inside_runs


def open_at(**query) -> AppTest:
    app = AppTest.from_file(ROOT / "app.py", default_timeout=60)
    app.run()
    app.switch_page("pages/inside.py")
    app.query_params.update(query)
    return app.run()


def said(app: AppTest) -> str:
    found = " ".join(element.value for kind in (app.error, app.warning, app.markdown, app.code, app.caption) for element in kind)
    return found.replace("\\", "")


def test_it_answers_with_the_numbers_of_the_queries(whole):
    app = open_at(inspection=whole.rough.run_id)
    assert not app.exception and not app.error
    assert [title.value for title in app.title] == ["How does the error travel through the model?"]
    assert len(app.metric) == 3 and len(app.get("plotly_chart")) == 4
    frame = propagation([whole.rough], Selection(modalities=CONTENT))
    last = frame[(frame["order"] == frame["order"].max()) & (frame["source"] == "accumulated")]
    assert app.metric[0].value == f"{three_digits(last['sqnr_db'].min())} dB"
    assert set(app.dataframe[0].value["run"]) == {"rtn w4a4", "morphoquant w4a4"}
    assert "4 samples of made-up" in said(app)


def test_sample_block_and_head_are_chosen_and_are_in_the_link(whole):
    choices = attention_choices(whole.fine).dropna(subset="head")
    row = choices[(choices["sample"] == 0) & (choices["block"] == 3)].iloc[0]
    app = open_at(inspection=whole.fine.run_id, sample="0", block="3", head=str(row["head"]))
    assert not app.exception and not app.error
    assert app.selectbox(key="morphoquant.widget.head").value == row["head"]
    assert any("sample=0" in code.value and "block=3" in code.value for code in app.code)


def test_a_run_can_stand_alone(whole):
    app = open_at(inspection=whole.fine.run_id)
    app.multiselect(key="morphoquant.widget.inspections").set_value([]).run()
    assert not app.exception and set(app.dataframe[0].value["run"]) == {"morphoquant w4a4"}


def test_without_attention_the_hidden_states_are_there(whole, tmp_path, monkeypatch):
    kept = {name: whole.fine.table(name).to_pylist() for name in ("tokens", "propagation", "hidden_states", "hidden_axes")}
    write_run(RunStore(tmp_path), PLAN, **kept)
    monkeypatch.setenv("MORPHOQUANT_CACHE", str(tmp_path))
    app = open_at()
    assert not app.exception and not app.error and "holds no attention" in said(app)
    assert len(app.metric) == 2 and len(app.get("plotly_chart")) == 2


def test_without_a_run_it_names_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("MORPHOQUANT_CACHE", str(tmp_path))
    monkeypatch.chdir(ROOT)
    app = open_at()
    assert not app.exception and not app.error
    assert any("python -m morphoquant inspect" in code.value for code in app.code)
    assert any(button.key == "start_missing" for button in app.button)


def test_a_link_that_cannot_be_is_one_sentence(whole):
    app = open_at(inspection="inspect-rtn-w4a4-000000000000")
    assert not app.exception and "unknown inspect run" in said(app)
    app = open_at(inspection=whole.fine.run_id, block="77")
    assert not app.exception and "unknown block '77'" in said(app)
