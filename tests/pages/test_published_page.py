"""The page of published tables: on whole caches and empty ones, by link, and apart from what was measured."""

import io
import json
import zipfile
from pathlib import Path

import pytest
from fixtures.answer_runs import AnswerRuns
from streamlit.testing.v1 import AppTest

from morphoquant.data.published.tables import published_tables
from morphoquant.queries.published import published, wide

ROOT = Path(__file__).parents[2]
QUESTION = "What do the papers report, and how far can it be trusted?"
MENU = "morphoquant.widget.published"


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache that the page looks at."""
    monkeypatch.setenv("MORPHOQUANT_CACHE", str(tmp_path))
    monkeypatch.chdir(ROOT)
    return tmp_path


@pytest.fixture
def whole(answer_runs: AnswerRuns, monkeypatch) -> AnswerRuns:
    monkeypatch.setenv("MORPHOQUANT_CACHE", str(answer_runs.store.cache))
    monkeypatch.chdir(ROOT)
    return answer_runs


def open_at(**query) -> AppTest:
    app = AppTest.from_file(ROOT / "app.py", default_timeout=180)
    app.run()
    app.switch_page("pages/published.py")
    app.query_params.update(query)
    return app.run()


def said(app: AppTest) -> str:
    kinds = (app.error, app.warning, app.markdown, app.code, app.caption, app.header)
    return " ".join(element.value for kind in kinds for element in kind).replace("\\", "")


@pytest.mark.parametrize("name", list(published_tables()))
def test_every_table_is_a_page_on_an_empty_cache(cache, name):
    app = open_at(published=name)
    table = published_tables()[name]
    assert not app.exception and not app.error
    assert [title.value for title in app.title] == [QUESTION]
    assert len(app.metric) == 3 and len(app.get("plotly_chart")) == 1
    assert app.dataframe[0].value.equals(wide(published(table=name, blanks=True)))
    assert table.source.title in said(app) and "Measured here" in said(app)
    assert all(note.text in said(app) for note in table.notes)
    assert "No finished run in this cache" in said(app)


def test_the_link_leads_to_the_chosen_table(cache):
    app = open_at()
    assert app.selectbox(key=MENU).value == "morphoquant-v2-table-1"
    app.selectbox(key=MENU).select("masquant-table-2").run()
    assert not app.exception and len(app.dataframe[0].value) == 34
    assert any("published=masquant-table-2" in code.value for code in app.code)


def test_a_link_to_no_table_is_one_sentence(cache):
    app = open_at(published="masquant-table-9")
    assert not app.exception and "unknown published table 'masquant-table-9'" in said(app)
    app.button(key="clear_address").click().run()
    assert not app.error and app.get("plotly_chart")


def test_provenance_is_told_in_words(cache):
    assert "Provenance: read in the paper's own text." in said(open_at(published="masquant-table-1"))
    assert "Provenance: from a secondary source" in said(open_at(published="mbq-table-4"))


def test_measured_runs_stand_in_a_table_of_their_own(whole):
    app = open_at(published="masquant-table-2")
    assert not app.exception and not app.error
    assert "the two must not be compared cell by cell" in said(app)
    last = app.dataframe[-1].value
    assert set(last["method"]) == {"full precision", "rtn w8a8", "rtn w4a8"}
    assert all("rtn w" not in str(table.value.to_dict()) for table in app.dataframe[:-1])
    assert len(app.get("plotly_chart")) == 1


def test_measured_errors_are_shown_too(small_runs, monkeypatch):
    monkeypatch.setenv("MORPHOQUANT_CACHE", str(small_runs.store.cache))
    monkeypatch.chdir(ROOT)
    app = open_at(published="morphoquant-v1-main")
    assert not app.exception and not app.error
    assert "Output SQNR by modality" in said(app)
    assert {"rtn"} <= set(app.dataframe[-1].value["method"])


def test_a_table_without_measured_kin_says_so(whole):
    assert "No finished run in this cache" in said(open_at(published="mquant-ablation"))


def test_the_figure_goes_into_the_bundle_and_is_made_there(cache):
    app = open_at(published="masquant-table-1")
    app.button(key="keep_published-masquant-table-1").click().run()
    app.switch_page("pages/take_away.py")
    app.run()
    assert any(element.value == "1. **Published numbers**" for element in app.markdown)
    app.button(key="make_bundle").click().run()
    assert not app.exception and not app.error
    with zipfile.ZipFile(io.BytesIO(app.session_state["morphoquant.made"][1])) as archive:
        (entry,) = json.loads(archive.read("provenance.json"))["entries"]
        page = archive.read("bundle.tex").decode()
    assert entry["runs"] == [] and "--run" not in entry["command"] and "--measure masquant-table-1" in entry["command"]
    assert "Read on" in page and "begin{description}" not in page
