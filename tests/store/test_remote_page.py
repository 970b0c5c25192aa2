"""The dashboard on an object store: its pages, its jobs, and what it says when the store does not answer."""

import sys
import time
from pathlib import Path

import pytest
from fixtures.object_store import Asked, fresh, upload
from streamlit.testing.v1 import AppTest

from morphoquant.store.run_store import RunStore
from morphoquant.ui import jobs, session

ROOT = Path(__file__).parents[2]


@pytest.fixture
def url(small_runs, tmp_path, monkeypatch) -> str:
    """The small runs on a store in memory, which the pages look at."""
    url = fresh("memory://pages")
    upload(small_runs.store.cache, url)
    monkeypatch.setenv("MORPHOQUANT_CACHE", url)
    monkeypatch.setenv("MORPHOQUANT_LOCAL", str(tmp_path))
    monkeypatch.chdir(ROOT)
    return url


def test_a_page_reads_each_header_and_table_once(url, small_runs, monkeypatch):
    asked = Asked(RunStore(url).cache.objects, monkeypatch)
    app = AppTest.from_file(ROOT / "app.py", default_timeout=60)
    app.query_params["run"] = small_runs.searched.run_id
    app.run()
    assert not app.exception and not app.error and len(app.get("plotly_chart")) >= 2
    runs, first = len(small_runs.store.entries()), asked.taken()
    assert set(first) == {"find", "cat_file"} and first["cat_file"] <= runs + 15, first
    app.run()
    assert asked.taken().get("cat_file", 0) == 0, "a second look fetches nothing"


def test_a_store_that_does_not_answer_is_said_on_the_page(url, monkeypatch):
    def refuse(*args, **kwargs):
        raise ConnectionError("no route to host")

    monkeypatch.setattr(RunStore(url).cache.objects.fs, "find", refuse)
    app = AppTest.from_file(ROOT / "app.py", default_timeout=60).run()
    assert not app.exception and "no route to host" in app.error[0].value


def test_jobs_stay_on_this_machine_and_their_runs_go_to_the_store(url, tmp_path):
    assert session.cache_folder() == tmp_path
    code = "import os; print(os.environ['MORPHOQUANT_CACHE'], os.environ['MORPHOQUANT_LOCAL'])"
    job_id = jobs.start([sys.executable, "-c", code], session.cache_folder())
    while jobs.status(job_id, tmp_path).status == "running":
        time.sleep(0.05)
    assert jobs.log_tail(job_id, tmp_path) == f"{url} {tmp_path.resolve()}"
