"""The command line end to end on a made-up cache: what it prints, what it refuses, and with which exit code."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from morphoquant.cli import VERBS, main, parser
from morphoquant.commands.progress import PROGRESS_FILE, Clock, FileProgress, TerminalProgress
from morphoquant.core import offered
from morphoquant.core.spec import FORMAT_BITS


@pytest.fixture
def cache(small_runs):
    return ["--cache", str(small_runs.store.cache)]


@pytest.mark.parametrize("verb", [module.__name__.rpartition(".")[2] for module in VERBS])
def test_help_has_an_example(verb, capsys):
    with pytest.raises(SystemExit) as stop:
        main([verb, "--help"])
    assert stop.value.code == 0
    assert f"example: python -m morphoquant {verb}" in capsys.readouterr().out


@pytest.mark.parametrize("verb", ["quantize", "evaluate", "sensitivity", "compare"])
def test_help_names_every_method_and_number_format(verb, capsys):
    with pytest.raises(SystemExit):
        main([verb, "--help"])
    said = set(re.findall(r"\w+", capsys.readouterr().out))
    assert said >= {*offered.NAMES, *FORMAT_BITS, "token", "tensor", "g128"}


def test_runs_are_listed_and_machine_readable(cache, small_runs, capsys):
    assert main(["runs", *cache]) == 0
    listed = capsys.readouterr().out
    assert main(["runs", "--json", *cache]) == 0
    entries = json.loads(capsys.readouterr().out)
    assert {entry["run_id"] for entry in entries} == {line.split()[0] for line in listed.splitlines()}
    assert {entry["status"] for entry in entries} == {"finished"}


def test_empty_cache_says_what_to_do(tmp_path, capsys):
    assert main(["runs", "--cache", str(tmp_path)]) == 0
    assert "python -m morphoquant demo" in capsys.readouterr().out


def test_compare_prints_a_row_a_run(cache, small_runs, capsys):
    assert main(["compare", *cache]) == 0
    assert "SQNR of linear outputs in dB" in capsys.readouterr().out
    assert main(["compare", "--json", *cache]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {"method", "spec", "modality", "pooled_sqnr_db", "worst_layer"} <= set(rows[0])
    for form, sign in (("csv", "run_id,method"), ("md", "| method |"), ("tex", r"\toprule")):
        assert main(["compare", "--format", form, *cache]) == 0
        assert sign in capsys.readouterr().out


@pytest.mark.parametrize("suffix", ["pdf", "svg", "png", "html", "csv", "md", "tex"])
def test_export_writes_every_format(cache, tmp_path, suffix, capsys):
    target = tmp_path / f"figure.{suffix}"
    assert main(["export", "layer_error", str(target), *cache]) == 0
    assert target.stat().st_size > 200 and str(target) in capsys.readouterr().out
    if suffix == "csv":
        assert {"modality", "layer"} <= set(pd.read_csv(target).columns)


def test_export_takes_no_more_runs_than_the_view(small_runs, cache, tmp_path, capsys):
    two = [run.run_id for run in small_runs.quantized[:2]]
    assert main(["export", "grid_use", str(tmp_path / "x.csv"), *cache, "--run", *two]) == 2
    assert "'grid_use' takes 1 run at most, 2 are named" in capsys.readouterr().err and not list(tmp_path.iterdir())
    assert main(["export", "accuracy", str(tmp_path / "x.csv"), *cache, "--run", two[0]]) == 2
    assert "'accuracy' shows evaluate runs" in capsys.readouterr().err


def test_export_takes_the_worst_layer_of_the_part_that_is_asked_for(small_runs, cache, tmp_path, capsys):
    for component in ("language", "vision"):
        words = ["export", "alpha_search", str(tmp_path / "x.csv"), "--run", small_runs.searched.run_id, *cache]
        assert main([*words, "--component", component]) == 0
        layers = pd.read_csv(tmp_path / "x.csv")["layer"]
        assert len(layers) and (layers.str.contains("vision") == (component == "vision")).all()


def test_export_lists_the_views(capsys):
    assert main(["export", "--list", "--json"]) == 0
    assert "layer_error" in {row["name"] for row in json.loads(capsys.readouterr().out)}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["quantize", "--spec", "w4b4"], 'cannot read quantisation spec "w4b4"'),
        (["quantize", "--method", "rtm"], "did you mean 'rtn'"),
        (["quantize", "--method", "morphoquant:lam=x"], "lam"),
        (["quantize", "--method", "morphoquant", "--spec", "w4a4-token"], "channel"),
        (["quantize", "--run", "../../etc"], "not a run identifier"),
        (["runs", "--delete", ".."], "not a run identifier"),
        (["compare", "nothing-here"], "unknown run"),
        (["capture", "--model", "./no-such-folder"], "./no-such-folder"),
        (["export", "layer_eror", "x.pdf"], "did you mean 'layer_error'"),
        (["export", "layer_error", "x.docx"], "cannot export to '.docx'"),
        (["export", "activation_histogram", "x.pdf", "--layer", "no.such.layer"], "no.such.layer"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(words, sentence, cache, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert main([*words, *cache]) == 2
    said = capsys.readouterr()
    assert sentence in said.err and "Traceback" not in said.err
    assert len(said.err.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_unknown_word_is_refused():
    with pytest.raises(SystemExit) as stop:
        parser().parse_args(["fly"])
    assert stop.value.code == 2


def test_help_needs_no_engine():
    code = "import sys, morphoquant.cli; assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2]).returncode == 0


def test_a_remark_is_told_once_and_counts_nothing(capsys):
    progress = TerminalProgress()
    for _ in range(2):
        progress("3 linears of experts stay in full precision", 0, 0)
    progress("capturing", 1, 1)
    assert capsys.readouterr().err.splitlines() == ["3 linears of experts stay in full precision", "capturing: 100 %"]


def test_status_file_tells_the_end(cache, tmp_path, monkeypatch, capsys):
    status = tmp_path / "progress.json"
    monkeypatch.setenv(PROGRESS_FILE, str(status))
    assert main(["compare", "nothing-here", *cache]) == 2
    state = json.loads(status.read_text())
    assert state["status"] == "failed" and "unknown run" in state["error"]
    assert main(["runs", *cache]) == 0
    assert json.loads(status.read_text())["status"] == "finished"


def test_status_file_follows_the_work(tmp_path):
    progress = FileProgress(tmp_path / "progress.json")
    progress("capturing", 10, 10)
    state = json.loads((tmp_path / "progress.json").read_text())
    assert (state["stage"], state["done"], state["total"], state["status"]) == ("capturing", 10, 10, "running")


def test_time_left_follows_the_pace(monkeypatch):
    now = iter([100.0, 100.0, 110.0])
    monkeypatch.setattr("morphoquant.commands.progress.time.monotonic", lambda: next(now))
    clock = Clock()
    assert clock.seconds_left("a", 0, 30) is None
    assert clock.seconds_left("a", 10, 30) == pytest.approx(20.0)
