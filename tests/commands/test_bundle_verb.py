"""bundle through the command line: what it takes, what it writes without being told, what it refuses."""

import json
import zipfile

import pytest

from morphoquant.cli import main


@pytest.fixture
def cache(small_runs):
    return ["--cache", str(small_runs.store.cache)]


def entries(path) -> list[dict]:
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("provenance.json"))["entries"]


def test_views_with_width_and_measure_and_tables(cache, small_runs, tmp_path, capsys):
    target = tmp_path / "paper.zip"
    words = ["--views", "depth_profile:double:kurtosis", "channel_ranges", "--tables", "methods", "--modality", "audio"]
    assert main(["bundle", str(target), *words, *cache]) == 0
    assert str(target) in capsys.readouterr().out
    depth, ranges, methods = entries(target)
    assert "--width double" in depth["command"] and "--measure kurtosis" in depth["command"]
    assert "--width single" in ranges["command"] and "--modality audio" in ranges["command"] and "--layer" in ranges["command"]
    assert methods["files"][0] == "tables/01-methods.tex" and len(methods["runs"]) >= 3


def test_each_view_gets_the_runs_it_can_show(cache, small_runs, tmp_path):
    target, named = tmp_path / "paper.zip", [small_runs.rtn8.run_id, small_runs.capture.run_id, small_runs.searched.run_id]
    words = ["--views", "worst_layers", "compare_methods", "grid_use", "--run", *named]
    assert main(["bundle", str(target), *words, *cache]) == 0
    shown = [entry["runs"] for entry in entries(target)]
    assert shown == [[small_runs.capture.run_id], [named[0], named[2]], [named[0]]]


@pytest.mark.parametrize("kind", ["capture", "evaluate", "sensitivity"])
def test_without_views_it_holds_the_main_ones(small_runs, answer_runs, kind, tmp_path, capsys):
    answered = answer_runs.quantised["morphoquant", "w4a4"]
    run = {"capture": small_runs.capture, "evaluate": answered, "sensitivity": answer_runs.sensitivity}[kind]
    target = tmp_path / "paper.zip"
    assert main(["bundle", str(target), "--run", run.run_id, "--cache", str(run.folder.parents[1])]) == 0
    assert len(entries(target)) >= 4 and "left out" not in capsys.readouterr().err


def test_what_a_run_cannot_show_is_said_and_left_out(cache, small_runs, tmp_path, capsys):
    target = tmp_path / "paper.zip"
    assert main(["bundle", str(target), "--run", small_runs.dynamic.run_id, *cache]) == 0
    assert "left out grid_placement: run" in capsys.readouterr().err
    shown = [entry["files"][0] for entry in entries(target)]
    assert "figures/01-compare_methods.pdf" in shown and "tables/02-cost.tex" in shown and "grid_placement" not in str(shown)


def test_the_tables_are_listed(capsys):
    assert main(["bundle", "--list"]) == 0
    assert "Methods by modality" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["x.zip", "--views", "layer_eror"], "did you mean 'layer_error'"),
        (["x.zip", "--views", "layer_error:triple"], "unknown width or measure of 'layer_error' 'triple'"),
        (["x.zip", "--tables", "method"], "did you mean 'methods'"),
        (["x.zip", "--views", "accuracy"], "no finished evaluation"),
        (["x.pdf", "--views", "worst_layers"], "one .zip file"),
        (["x.zip", "--views", "what_if_grid", "--set", "bits=12"], "allowed are values from 2 to 8"),
        ([], "bundle needs a file"),
    ],
)
def test_bad_input_is_one_sentence(cache, words, sentence, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["bundle", *words, *cache]) == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert sentence in said and not list(tmp_path.iterdir())


def test_a_run_of_the_wrong_kind_is_named(cache, small_runs, tmp_path, capsys):
    words = ["bundle", str(tmp_path / "x.zip"), "--views", "layer_error", "--run", small_runs.capture.run_id, *cache]
    assert main(words) == 2
    assert "none of the runs named is a quantize run" in capsys.readouterr().err
