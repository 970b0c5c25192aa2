"""The pages on answers: on whole caches and empty ones, their pickers, their links, and the numbers they show."""

import shutil
from pathlib import Path

import pytest
from fixtures.answer_runs import AnswerRuns
from streamlit.testing.v1 import AppTest

from morphoquant.queries.accuracy import accuracy
from morphoquant.store.run_store import RunStore

ROOT = Path(__file__).parents[2]
QUESTIONS = {
    "accuracy": "Does the model still answer?",
    "calibration": "Does calibrating on one modality hurt the others?",
    "sensitivity": "Which layers must keep more bits, and for which modality?",
}


@pytest.fixture
def whole(answer_runs: AnswerRuns, monkeypatch) -> AnswerRuns:
    """Evaluations, a matrix and a sensitivity run, in the cache that the pages look at."""
    monkeypatch.setenv("MORPHOQUANT_CACHE", str(answer_runs.store.cache))
    monkeypatch.chdir(ROOT)
    return answer_runs


def open_at(name: str, **query) -> AppTest:
    app = AppTest.from_file(ROOT / "app.py", default_timeout=60)
    app.run()
    app.switch_page(f"pages/{name}.py")
    app.query_params.update(query)
    return app.run()


def said(app: AppTest) -> str:
    found = " ".join(element.value for kind in (app.error, app.warning, app.markdown, app.code, app.caption) for element in kind)
    return found.replace("\\", "")


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_page_answers_its_question(whole, name):
    app = open_at(name)
    assert not app.exception and not app.error
    assert [title.value for title in app.title] == [QUESTIONS[name]]
    assert 3 <= len(app.metric) <= 4
    assert app.get("plotly_chart") and len(app.dataframe) == 1


@pytest.mark.parametrize(
    ("name", "verb"), [("accuracy", "evaluate"), ("calibration", "--calibrate-on"), ("sensitivity", "sensitivity")]
)
def test_without_a_run_the_page_names_the_command_that_makes_one(tmp_path, monkeypatch, name, verb):
    monkeypatch.setenv("MORPHOQUANT_CACHE", str(tmp_path))
    monkeypatch.chdir(ROOT)
    app = open_at(name)
    assert not app.exception and not app.error
    assert any("python -m morphoquant" in code.value and verb in code.value for code in app.code)
    assert any(button.key == "start_missing" for button in app.button)


def test_the_accuracy_page_shows_the_numbers_of_the_query(whole):
    run = whole.quantised["morphoquant", "w4a4"]
    app = open_at("accuracy", evaluation=run.run_id)
    own = accuracy([run], "subject")
    assert app.metric[0].value == f"{100 * own['right'].sum() / own['items'].sum():.1f} %"
    table = app.dataframe[0].value
    by_task = accuracy([whole.full, run]).set_index(["run_id", "task"])["accuracy"]
    for row in table[table["run identifier"] == run.run_id].to_dict("records"):
        assert row["accuracy (%)"] == pytest.approx(100 * by_task[run.run_id, row["task"]])


def test_the_accuracy_page_says_when_a_difference_is_noise(whole):
    app = open_at("accuracy", evaluation=whole.quantised["dabc", "w8a8"].run_id)
    assert "not to be told from noise" in said(app) or "nothing speaks for a difference" in said(app)
    other = open_at("accuracy", evaluation=whole.quantised["rtn", "w4a4"].run_id, against=whole.full.run_id)
    assert "more than noise" in said(other)


def test_what_is_shown_beside_can_be_chosen_and_is_in_the_link(whole):
    shown = [whole.full.run_id, whole.quantised["rtn", "w4a4"].run_id]
    app = open_at("accuracy", evaluation=shown[1], evaluations=shown, subject="video")
    assert not app.exception
    assert set(app.multiselect(key="morphoquant.widget.evaluations").value) == set(shown)
    assert set(app.dataframe[0].value["subject"]) == {"video"}
    assert set(app.dataframe[0].value["run identifier"]) == set(shown)
    assert any("subject=video" in code.value and f"evaluation={shown[1]}" in code.value for code in app.code)


def test_full_precision_alone_is_a_page_without_a_test(whole, tmp_path, monkeypatch):
    folder = tmp_path / "runs"
    shutil.copytree(whole.full.folder, folder / whole.full.run_id)
    monkeypatch.setenv("MORPHOQUANT_CACHE", str(tmp_path))
    app = open_at("accuracy")
    assert not app.exception and not app.error and len(app.metric) == 4


def test_the_matrix_page_shows_a_row_for_each_calibration_set(whole):
    app = open_at("calibration")
    assert list(app.dataframe[0].value["calibrated on"]) == ["text", "image", "audio", "video", "all"]
    assert len(app.selectbox(key="morphoquant.widget.evaluation").options) == 1


def test_a_method_without_other_calibrations_is_not_offered(whole):
    app = open_at("calibration", evaluation=whole.quantised["rtn", "w8a8"].run_id)
    assert not app.exception and len(app.dataframe[0].value) == 5


def test_an_unknown_evaluation_is_one_sentence(whole):
    app = open_at("accuracy", evaluation="evaluate-rtn-w4a4-000000000000")
    assert not app.exception and "unknown run" in said(app)


def test_an_unfinished_evaluation_says_so(tmp_path, whole, monkeypatch):
    monkeypatch.setenv("MORPHOQUANT_CACHE", str(tmp_path))
    with RunStore(tmp_path).writer(whole.full.plan):
        app = open_at("accuracy")
    assert not app.exception and "is not finished" in said(app)


@pytest.mark.parametrize("kind", ["Evaluate answers", "Calibration matrix", "Rank layers"])
def test_new_run_offers_the_jobs_on_answers(whole, kind):
    app = open_at("new_run")
    app.segmented_control(key="job_kind").set_value(kind).run()
    assert not app.exception
    assert any("python -m morphoquant" in code.value and "demo" in code.value for code in app.code)
