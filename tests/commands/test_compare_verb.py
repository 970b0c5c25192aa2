"""compare --method: makes the runs of many methods and prints them side by side, on a small random model in a folder."""

import json

import pytest
from fixtures.saved_models import save_llava

from morphoquant.cli import main
from morphoquant.store.run_store import RunStore


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_llava(tmp_path_factory.mktemp("llava"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def words(folder, cache, *more):
    made = ["--model", str(folder), "--samples", "5", "--eval-samples", "3"]
    return ["compare", "--cache", str(cache), *made, *more]


def test_methods_are_fitted_measured_asked_and_shown(folder, cache, capsys):
    asked = words(folder, cache, "--method", "rtn", "dabc", "--items", "3")
    assert main(asked) == 0
    said = capsys.readouterr().out
    for heading in ("SQNR of linear outputs", "lowest SQNR", "Cost beside", "Right answers in percent"):
        assert heading in said
    plans = [entry.header.plan for entry in RunStore(cache).entries()]
    assert sorted((plan.kind, plan.method) for plan in plans if plan.method) == [
        ("evaluate", "dabc"),
        ("evaluate", "rtn"),
        ("quantize", "dabc"),
        ("quantize", "rtn"),
    ]
    assert main(asked) == 0
    again = capsys.readouterr()
    assert again.out == said and "fitting" not in again.err


def test_a_method_that_cannot_honour_the_spec_is_said_and_the_rest_is_shown(folder, cache, capsys):
    twice = ["--method", "rtn", "dabc", "dabc", "rtn", "--spec", "w4a4-token", "w4a4-token"]
    assert main(words(folder, cache, *twice, "--json")) == 2
    told = capsys.readouterr()
    shown = [(row["method"], row["modality"]) for row in json.loads(told.out)]
    assert {method for method, _ in shown} == {"rtn"} and len(shown) == len({*shown})
    assert "dabc w4a4-token: " in told.err and "1 of 2 failed as a whole or in part" in told.err


def test_one_that_is_measured_and_cannot_be_asked_is_counted_once(folder, cache, capsys):
    asked = words(folder, cache, "--method", "rtn", "dabc", "--items", "3", "--asked-scope", "audio", "--json")
    assert main(asked) == 2
    told = capsys.readouterr()
    assert {row["method"] for row in json.loads(told.out)} == {"rtn", "dabc"}
    assert "captured no linear of audio" in told.err and "2 of 2 failed as a whole or in part" in told.err


def test_runs_and_methods_are_one_or_the_other(folder, cache, capsys):
    assert main(words(folder, cache, "some-run", "--method", "rtn")) == 2
    assert "give one of the two" in capsys.readouterr().err


def test_nothing_to_compare_is_one_sentence(folder, cache, capsys):
    assert main(words(folder, cache, "--method", "dabc", "--spec", "w4a4-token")) == 2
    assert "none of the methods can be compared" in capsys.readouterr().err
