"""Every page on a whole cache, an empty one, and on runs in every other state; links; clicks. No page ends in a traceback."""

import shutil
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
from fixtures.small_runs import CAPTURE, SmallRuns
from streamlit.testing.v1 import AppTest

from morphoquant.core.errors import StoreError
from morphoquant.store.run_store import RunStore
from morphoquant.ui import jobs, launch

ROOT = Path(__file__).parents[2]

QUESTIONS = {
    "overview": "Where are this model's outliers, and in which modality?",
    "distribution": "What shape do the activations have, modality by modality?",
    "tokens": "Which tokens and which channels carry the large values?",
    "masks": "Are the outlier channels of one modality those of another?",
    "grid": "Do the grid's levels stand where the values are?",
    "layer_error": "Which layers does quantisation hurt, and for which modality?",
    "compare": "Which method keeps which modality best?",
}
OF_CAPTURES = ("overview", "distribution", "masks")
OF_QUANTISED = ("grid", "layer_error", "compare")
LAYER = "model.language_model.layers.1.mlp.down_proj"


@pytest.fixture
def whole(small_runs: SmallRuns, monkeypatch) -> SmallRuns:
    """One capture and its quantize runs, in the cache that the pages look at."""
    monkeypatch.setenv("MORPHOQUANT_CACHE", str(small_runs.store.cache))
    monkeypatch.chdir(ROOT)
    return small_runs


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache that the pages look at."""
    monkeypatch.setenv("MORPHOQUANT_CACHE", str(tmp_path))
    monkeypatch.chdir(ROOT)
    return tmp_path


def fail(cache: Path, plan, sentence: str) -> None:
    """Leaves a run that failed with `sentence`."""
    with pytest.raises(RuntimeError), RunStore(cache).writer(plan):
        raise RuntimeError(sentence)


def copy(small_runs: SmallRuns, cache: Path, *left_out: str) -> None:
    """Puts the small runs into a cache that a test changes."""
    shutil.copytree(small_runs.store.cache, cache, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*left_out))


def open_at(name: str, **query) -> AppTest:
    """The page as a person opens it by link."""
    app = AppTest.from_file(ROOT / "app.py", default_timeout=60)
    if name != "overview":
        app.run()
        app.switch_page(f"pages/{name}.py")
    app.query_params.update(query)
    return app.run()


def charts(app: AppTest) -> list:
    return app.get("plotly_chart")


def said(app: AppTest) -> str:
    """All sentences and code of a page."""
    return " ".join(element.value for kind in (app.error, app.warning, app.markdown, app.code) for element in kind).replace(
        "\\", ""
    )


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_page_answers_its_question_on_a_whole_cache(whole, name):
    app = open_at(name, run=whole.searched.run_id)
    assert not app.exception and not app.error
    assert [title.value for title in app.title] == [QUESTIONS[name]]
    assert 3 <= len(app.metric) <= 4
    assert len(charts(app)) >= 2
    assert all("not measured" not in metric.value for metric in app.metric)


@pytest.mark.parametrize("name", [*QUESTIONS, "new_run"])
def test_an_empty_cache_is_no_error(cache, name):
    app = open_at(name)
    assert not app.exception and not app.error and len(app.title) == 1
    if name != "new_run":
        assert "python -m morphoquant demo" in said(app)
        assert "Start the demo run" in [button.label for button in app.button]


@pytest.mark.parametrize("name", OF_CAPTURES)
def test_a_running_capture_says_so(cache, name):
    with RunStore(cache).writer(CAPTURE):
        app = open_at(name)
    assert not app.exception and "is not finished" in said(app)


@pytest.mark.parametrize("name", OF_CAPTURES)
def test_a_capture_whose_process_was_killed_says_that_it_resumes(cache, name):
    with RunStore(cache).writer(CAPTURE):
        pass
    app = open_at(name)
    assert not app.exception and "it resumes" in said(app) and "unknown" not in said(app)


@pytest.mark.parametrize("name", OF_CAPTURES)
def test_a_failed_capture_shows_its_sentence(cache, name):
    fail(cache, CAPTURE, "the disk is full: free some space.")
    app = open_at(name)
    assert not app.exception and "the disk is full: free some space." in said(app)


@pytest.mark.parametrize("name", OF_CAPTURES)
def test_a_damaged_capture_shows_its_sentence(cache, name):
    folder = cache / "runs" / CAPTURE.run_id
    folder.mkdir(parents=True)
    (folder / "run.json").write_text("{")
    app = open_at(name)
    assert not app.exception and "unreadable run.json" in said(app)


@pytest.mark.parametrize("name", OF_QUANTISED)
@pytest.mark.parametrize("state", ["none", "running", "failed", "damaged"])
def test_a_quantised_run_that_is_not_there_says_why(cache, small_runs, name, state):
    copy(small_runs, cache, "rtn*", "morphoquant-*")
    plan = small_runs.rtn4.plan
    if state == "failed":
        fail(cache, plan, "NaN in the activations of layer 3.")
    elif state == "damaged":
        (cache / "runs" / plan.run_id).mkdir()
    wanted = {
        "none": "No quantised run",
        "running": "is not finished",
        "failed": "NaN in the activations of layer 3.",
        "damaged": "has no run.json",
    }
    with RunStore(cache).writer(plan) if state == "running" else nullcontext():
        app = open_at(name)
    assert not app.exception and wanted[state] in said(app)


def test_a_table_that_is_cut_off_is_one_sentence(cache, small_runs):
    copy(small_runs, cache)
    path = cache / "runs" / CAPTURE.run_id / "channel_stats.parquet"
    path.write_bytes(path.read_bytes()[:200])
    app = open_at("overview")
    assert not app.exception and "is damaged" in said(app)


def test_a_link_restores_run_and_filters_and_they_stay_on_the_next_page(whole):
    run = whole.rtn8.run_id
    app = open_at("grid", run=run, layer=LAYER, channel="5", modality=["image", "video"], first="1", component="language")
    assert not app.exception and not app.error
    assert app.selectbox(key="morphoquant.widget.run").value == run
    assert app.selectbox(key="morphoquant.widget.layer").value == LAYER
    assert app.number_input(key="morphoquant.widget.channel").value == 5
    assert app.toggle(key="morphoquant.widget.first").value is True
    assert set(app.query_params["modality"]) == {"image", "video"}
    app.switch_page("pages/distribution.py").run()
    assert app.selectbox(key="morphoquant.widget.layer").value == LAYER
    assert app.query_params["run"] == [run] or app.query_params["run"] == run


def test_a_filter_is_mirrored_in_the_link(whole):
    app = open_at("distribution")
    app.toggle(key="morphoquant.widget.first").set_value(True).run()
    app.selectbox(key="morphoquant.widget.component").set_value("vision").run()
    assert not app.exception
    assert {key: app.query_params[key] for key in ("first", "component")} in (
        {"first": ["1"], "component": ["vision"]},
        {"first": "1", "component": "vision"},
    )
    assert any("first=1" in code.value and "component=vision" in code.value for code in app.code)


def test_the_first_token_changes_the_largest_activation(whole):
    app = open_at("distribution", component="language", modality="text")
    before = app.metric[0].value
    app.toggle(key="morphoquant.widget.first").set_value(True).run()
    assert float(app.metric[0].value.replace(",", "")) > 2 * float(before.replace(",", ""))


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ({"capture": "../../etc"}, "is not a run identifier"),
        ({"run": ".."}, "is not a run identifier"),
        ({"run": "rtn-w4a4-000000000000"}, "unknown run"),
        ({"modality": "smell"}, "unknown modality"),
        ({"channel": "minus"}, "unknown channel"),
        ({"layer": "no.such.layer"}, "unknown layer"),
        ({"layer": LAYER, "channel": "4000"}, "no channel 4000"),
    ],
)
def test_a_link_that_cannot_be_is_one_sentence(whole, query, sentence):
    app = open_at("grid", **({"run": whole.searched.run_id} | query))
    assert not app.exception and sentence in said(app)
    if app.error:
        app.button(key="clear_address").click().run()
        assert not app.exception and not app.error and len(charts(app)) >= 2


def test_runs_that_must_not_be_compared_are_refused_with_the_field(whole):
    app = open_at("compare", runs=[whole.rtn4.run_id, whole.other_seed.run_id])
    assert not app.exception and "differ in seed" in said(app)


def test_a_dynamic_quantiser_has_no_grid_and_the_page_says_so(whole):
    app = open_at("grid", run=whole.dynamic.run_id)
    assert not app.exception and len(app.error) == 1


def test_names_are_never_read_as_markup(cache):
    fail(cache, CAPTURE, "cannot load ![x](http://example.invalid/x.png) <b>bold</b>.")
    app = open_at("overview")
    assert any("<b>bold</b>" in code.value for code in app.code)
    assert not any("example.invalid" in element.value for element in app.markdown)


def test_what_if_is_predicted_when_asked_for(whole):
    app = open_at("grid", run=whole.searched.run_id)
    before = len(charts(app))
    app.toggle(key="predict").set_value(True).run()
    assert not app.exception and len(charts(app)) == before + 1


def test_new_run_shows_the_command_that_it_will_start(whole):
    app = open_at("new_run")
    app.segmented_control(key="job_kind").set_value("Quantise a capture").run()
    assert not app.exception
    assert any("quantize" in code.value and "--spec w4a4" in code.value for code in app.code)


def test_new_run_refuses_a_model_without_a_name(whole):
    app = open_at("new_run")
    app.segmented_control(key="job_kind").set_value("Capture a model").run()
    app.text_input(key="job_model").set_value(" ").run()
    assert not app.exception and "name a model" in said(app)
    assert "Start" not in [button.label for button in app.button]


def test_a_running_job_is_shown_on_a_new_page_and_can_be_cancelled(cache):
    job_id = jobs.start([sys.executable, "-c", "import time; print('hello from the job', flush=True); time.sleep(60)"], cache)
    try:
        app = open_at("new_run")
        assert not app.exception
        assert app.button(key="start_job").disabled
        app.button(key=f"cancel_{job_id}").click().run()
        assert jobs.status(job_id, cache).status == "cancelled"
        assert "Cancelled" in said(app)
    finally:
        jobs.cancel(job_id, cache)


def test_a_finished_job_leads_to_its_run(small_runs, cache):
    copy(small_runs, cache)
    run = small_runs.rtn8.run_id
    write = (
        f"import json, os; json.dump(dict(status='finished', run_id='{run}'), open(os.environ['MORPHOQUANT_PROGRESS_FILE'], 'w'))"
    )
    job_id = jobs.start([sys.executable, "-c", write], cache)
    while jobs.status(job_id, cache).status == "running":
        pass
    app = open_at("new_run")
    app.button(key=f"open_{job_id}").click().run()
    assert not app.exception and app.title[0].value == QUESTIONS["layer_error"]
    assert app.selectbox(key="morphoquant.widget.run").value == run


def test_a_second_job_is_refused_in_words(cache):
    job_id = jobs.start([sys.executable, "-c", "import time; time.sleep(60)"], cache)
    try:
        with pytest.raises(StoreError, match=job_id):
            jobs.start(launch.demo_command(), cache)
    finally:
        jobs.cancel(job_id, cache)
