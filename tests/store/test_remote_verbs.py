"""From capture to export on a bucket: the same numbers, files and sentences as in a folder."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from fixtures.object_store import Asked, files, fresh
from fixtures.saved_models import save_llama
from store.test_run_store import plan

import morphoquant
from morphoquant.cli import main
from morphoquant.core.errors import StoreError
from morphoquant.store import remote
from morphoquant.store.run_store import RunStore

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def made(s3, tmp_path_factory):
    """The same commands in a folder and on a bucket; where each put its runs."""
    model = save_llama(tmp_path_factory.mktemp("model"))
    folder, url = tmp_path_factory.mktemp("cache"), fresh(s3)
    for cache in (str(folder), url):
        words = ["--model", str(model), "--samples", "3", "--cache", cache]
        assert main(["capture", *words]) == 0
        assert main(["quantize", *words, "--eval-samples", "3", "--method", "rtn", "dabc", "--spec", "w4a4"]) == 0
    return str(folder), url


@pytest.mark.slow
def test_tables_are_the_same_bytes(made):
    folder, url = (files(RunStore(cache).cache) for cache in made)
    assert folder == url and len(folder) > 10


@pytest.mark.slow
@pytest.mark.parametrize(
    "words", [["findings", "--json"], ["compare", "--format", "csv"], ["runs", "--json"], ["findings"], ["compare"]]
)
def test_verbs_say_the_same(made, capsys, words):
    said = []
    for cache in made:
        assert main([*words, "--cache", cache]) == 0
        said.append(capsys.readouterr().out.replace(cache, ""))
    if words[0] == "runs":  # headers hold times
        said = [[(run["run_id"], run["status"], run["tables"]) for run in json.loads(one)] for one in said]
    elif words[0] == "compare":  # and so do costs
        said = [[line.partition(",")[0] for line in one.splitlines()] for one in said]
    assert said[0] == said[1] and said[0]


@pytest.mark.slow
@pytest.mark.parametrize("view", ["layer_error", "channel_ranges", "activation_histogram"])
def test_views_export_the_same(made, view, tmp_path):
    written = []
    for number, cache in enumerate(made):
        file = tmp_path / f"{number}.csv"
        assert main(["export", view, str(file), "--cache", cache]) == 0
        written.append(file.read_bytes())
    assert written[0] == written[1] and len(written[0]) > 100


@pytest.mark.slow
def test_a_run_is_shipped_found_by_a_notebook_and_removed(made, capsys):
    _, url = made
    run = morphoquant.open("quantize", cache=url)
    assert len(run.figure("layer_error").data) and len(run.figures()) > 3
    assert main(["runs", "--ship", run.run_id, "--keep", "*", "--cache", url]) == 0
    assert capsys.readouterr().out.strip() == f"{url}/stored/{run.run_id}"
    assert main(["runs", "--delete", run.run_id, "--cache", url]) == 0
    assert RunStore(url).open(run.run_id).header.stored
    assert main(["runs", "--delete", run.run_id, "--cache", url]) == 2


@pytest.mark.slow
def test_a_bucket_that_is_not_there_holds_no_run_and_takes_none(s3, capsys):
    assert main(["runs", "--cache", "s3://elsewhere/x"]) == 0
    assert "no runs in s3://elsewhere/x" in capsys.readouterr().out
    with pytest.raises(StoreError, match="elsewhere/x/runs") as told:
        RunStore("s3://elsewhere/x").writer(plan())
    assert "\n" not in str(told.value)


@pytest.mark.slow
def test_what_the_dashboard_asks_of_a_bucket(made, monkeypatch):
    store = RunStore(made[1])
    monkeypatch.setattr(remote, "FRESH", 60.0)
    store.cache.objects._listed.clear()
    asked = Asked(store.cache.objects, monkeypatch)
    entries = store.entries()
    assert asked.taken() == {"find": 2} or len(entries) < 3
    for _ in range(20):
        store.entries()
        store.open(entries[0].run_id)
    assert asked.taken() == {}


def acted(cache: str, *words: str) -> subprocess.CompletedProcess:
    """A capture in a process of its own."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    program = [sys.executable, str(ROOT / "tests" / "faults" / "on_bucket.py"), cache, *words]
    return subprocess.run(program, env={**os.environ, "PYTHONPATH": path}, cwd=ROOT, capture_output=True, text=True, timeout=300)


@pytest.mark.slow
def test_a_capture_that_was_killed_goes_on_and_ends_as_if_it_had_not_been(s3, tmp_path):
    assert acted(str(tmp_path)).returncode == 0
    for sent in (3, 10):
        url = fresh(s3)
        assert acted(url, str(sent)).returncode == -signal.SIGKILL
        cut = files(RunStore(url).cache)
        assert cut and not any(name.count("/") == 2 for name in cut), "shards alone"
        again = acted(url)
        assert again.returncode == 0, again.stderr[-2000:]
        assert any("waiting for the process" in stage for stage in json.loads(again.stdout.splitlines()[-1]))
        assert files(RunStore(url).cache) == files(tmp_path)
