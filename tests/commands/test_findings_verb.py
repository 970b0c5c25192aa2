"""findings on the command line: sentences, JSON, and commands that draw what they promise."""

import json
import shlex

import pytest

from morphoquant.cli import main


@pytest.fixture
def cache(small_runs):
    return ["--cache", str(small_runs.store.cache)]


def test_sentences_are_printed_with_rule_and_command(cache, small_runs, capsys):
    assert main(["findings", *cache, small_runs.rtn4.run_id]) == 0
    said = capsys.readouterr().out
    assert small_runs.rtn4.run_id in said and "See: python -m morphoquant export" in said
    assert "A rule speaks from its threshold on:" in said


def test_json_holds_numbers_threshold_and_source(cache, capsys):
    assert main(["findings", *cache, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows and all(
        {"rule", "sentence", "numbers", "threshold", "unit", "source", "severity", "links"} <= set(r) for r in rows
    )


def test_the_command_that_is_printed_draws_the_figure(cache, small_runs, tmp_path, capsys):
    assert main(["findings", *cache, small_runs.rtn4.run_id, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    for view, row in {row["links"][0]["view"]: row for row in rows}.items():
        words = shlex.split(row["links"][0]["command"])[3:]
        words[2] = str(tmp_path / words[2])
        assert main([*words, *cache]) == 0
        assert (tmp_path / f"{view}.pdf").read_bytes().startswith(b"%PDF")


def test_an_empty_cache_is_one_sentence(tmp_path, capsys):
    assert main(["findings", "--cache", str(tmp_path)]) == 2
    assert "no finished capture" in capsys.readouterr().err


def test_help_has_an_example(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["findings", "--help"])
    assert stop.value.code == 0 and "example: python -m morphoquant findings" in capsys.readouterr().out
