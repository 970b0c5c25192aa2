"""allocate and recipe through the command line."""

import json

import pytest
import yaml

from morphoquant.cli import main
from morphoquant.core.allocation import Allocation


@pytest.fixture
def cache(answer_runs):
    return ["--cache", str(answer_runs.store.cache)]


def test_a_budget_becomes_a_file(cache, tmp_path, capsys):
    target = tmp_path / "seven.json"
    assert main(["allocate", str(target), "--bits", "7", *cache]) == 0
    said = capsys.readouterr().out
    found = Allocation.read(target)
    assert f"evaluate --allocation {target}" in said and f"{found.kl:.4f} nats" in said
    assert main(["allocate", "--bits", "7", "--json", *cache]) == 0
    assert json.loads(capsys.readouterr().out)["specs"] == found.specs


def test_without_a_budget_the_front_is_shown(cache, answer_runs, capsys):
    assert main(["allocate", "--side", "weights", *cache]) == 0
    said = capsys.readouterr().out
    assert "40 w16a16" in said and "Measured on the same items" in said and answer_runs.sensitivity.run_id in said
    assert main(["allocate", "--json", *cache]) == 0
    assert {row["kind"] for row in json.loads(capsys.readouterr().out)} == {"front", "measured"}


def test_a_recipe_and_the_exclusions_of_any_run(small_runs, tmp_path, capsys):
    cache, target = ["--cache", str(small_runs.store.cache)], tmp_path / "out.yaml"
    assert main(["recipe", "rtn-w4a4-token", str(target), *cache]) == 0
    assert "Symmetric integer steps" in capsys.readouterr().out and "QuantizationModifier" in target.read_text()
    assert main(["recipe", small_runs.searched.run_id, str(target), "--ignore-only", *cache]) == 0
    assert yaml.safe_load(target.read_text()) == {"ignore": []}
    assert main(["recipe", "rtn-w4a4-token", str(tmp_path / "out.txt"), *cache]) == 2
    assert "cannot write a recipe as .txt" in capsys.readouterr().err
    assert main(["recipe", small_runs.searched.run_id, str(target), *cache]) == 2
    told = capsys.readouterr().err
    assert "keeps large values of outlier channels in full precision" in told and "simulated here only" in told


@pytest.mark.parametrize(
    ("words", "sentence"),
    [(["one.json"], "one.json needs a budget"), (["--bits", "2"], "out of reach"), (["--run", "evaluate"], "no sensitivity run")],
)
def test_bad_words_are_one_sentence(cache, words, sentence, capsys):
    assert main(["allocate", *words, *cache]) == 2
    assert sentence in capsys.readouterr().err


def test_an_allocation_is_read_before_a_model_is(cache, tmp_path, capsys):
    made = Allocation("omniquant", {}, {"a": "w4a4", "b": "w8a8"})
    (tmp_path / "blocks.json").write_text(made.text())
    for name, sentence in (("nowhere.json", "cannot be read"), ("blocks.json", "omniquant is fitted to whole blocks")):
        assert main(["evaluate", "nowhere", "--allocation", str(tmp_path / name), *cache]) == 2
        assert sentence in capsys.readouterr().err
