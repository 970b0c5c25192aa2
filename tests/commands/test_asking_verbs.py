"""evaluate and sensitivity through the command line, on a folder with a small random model of text and images."""

import json

import pytest
from fixtures.saved_models import save_llama, save_llava

from morphoquant.cli import main
from morphoquant.store.run_store import RunStore


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_llava(tmp_path_factory.mktemp("llava"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


def words(verb, folder, cache, *more):
    return [verb, str(folder), "--cache", str(cache), "--items", "4", "--samples", "5", *more]


def test_full_precision_by_task_as_json(folder, cache, capsys):
    assert main(words("evaluate", folder, cache, "--json")) == 0
    found = json.loads(capsys.readouterr().out)
    rows = {row["task"]: row for row in found["tasks"]}
    assert set(rows) == {"text-facts", "image-digit"}  # what the model can take
    digit = rows["image-digit"]
    assert digit["items"] == 4 and digit["chance"] == pytest.approx(0.1)
    assert digit["low"] <= digit["accuracy"] <= digit["high"] and digit["shuffled"] is not None
    assert rows["text-facts"]["shuffled"] is None and found["refused"] == [] and len(found["runs"]) == 1
    assert found["perplexity"][0]["perplexity"] > 1


def test_methods_print_their_tables_and_are_stored(folder, cache, capsys):
    again = words("evaluate", folder, cache, "--methods", "rtn", "dabc", "--specs", "w8a8", "w4a4")
    assert main(again) == 0
    said = capsys.readouterr().out
    lines = said.splitlines()
    assert lines[1].split() == ["method", "text-facts", "image-digit"]
    labels = ("full precision", "rtn w8a8", "dabc w8a8", "rtn w4a4", "dabc w4a4")
    assert all(line.strip().startswith(label) for line, label in zip(lines[2:7], labels, strict=True))
    for words_of_it in ("KL of the answers", "Same answer", "Perplexity of 14 passages", "dabc w4a4 against rtn w4a4", "noise"):
        assert words_of_it in said
    runs = [e.header for e in RunStore(cache).entries() if e.header.plan.kind == "evaluate"]
    assert {(run.plan.method, run.plan.spec) for run in runs} == {
        (None, None),
        *((method, spec) for method in ("rtn", "dabc") for spec in ("w8a8", "w4a4")),
    }
    assert main(again) == 0
    told = capsys.readouterr()
    assert told.out == said and "evaluating" not in told.err


def test_calibration_matrix(folder, cache, capsys):
    asked = ["--method", "rtn", "--calibrate-on", "text", "image", "all"]
    assert main(words("evaluate", folder, cache, *asked)) == 0
    said = capsys.readouterr().out
    assert [line.split()[:3] for line in said.splitlines()[2:5]] == [["rtn", "w4a4", name] for name in ("text", "image", "all")]
    assert "Full precision: text" in said
    assert main(words("evaluate", folder, cache, *asked, "--json")) == 0
    matrix = json.loads(capsys.readouterr().out)["matrix"]
    assert {(row["calibration"], row["subject"]) for row in matrix} == {
        (name, subject) for name in ("text", "image", "all") for subject in ("text", "image")
    }


def test_bad_lines_of_an_item_file_leave_the_others_whole(folder, cache, tmp_path, capsys):
    assert main(["evaluate", "--tasks", "image-digit", "text-facts", "--items", "2", "--write-items", str(tmp_path)]) == 0
    path = tmp_path / "items.jsonl"
    assert capsys.readouterr().out.strip() == str(path)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], "not json", *lines[1:], lines[0].replace("media/", "missing/").replace("/0", "/7")]))
    assert main(words("evaluate", folder, cache, "--item-file", str(path), "--json")) == 2
    told = capsys.readouterr()
    found = json.loads(told.out)
    assert sum(row["items"] for row in found["tasks"]) == 4
    assert len(found["refused"]) == 2 and found["refused"][0].startswith("line 2:")
    assert all(sentence in told.err for sentence in found["refused"]) and "2 items were left out" in told.err
    assert "Traceback" not in told.err
    assert RunStore(cache).open(found["runs"][0]).header.status == "finished"


def test_items_that_the_model_cannot_take_are_named(tmp_path, cache, capsys):
    llama = save_llama(tmp_path / "llama")
    assert main(words("evaluate", llama, cache, "--tasks", "text-facts", "image-digit", "--json")) == 2
    told = capsys.readouterr()
    assert {row["task"] for row in json.loads(told.out)["tasks"]} == {"text-facts"}
    assert "image-digit/0/0: item 'image-digit/0/0' holds image, which the model does not take" in told.err


def test_sensitivity_ranks_and_answers_from_the_cache(folder, cache, capsys):
    asked = words("sensitivity", folder, cache, "--method", "rtn", "--scope", "language", "vision")
    assert main([*asked, "--top", "3"]) == 0
    told = capsys.readouterr()
    assert "forwards" in told.err and "Groups quantised alone with rtn w4a4" in told.out
    assert main([*asked, "--json"]) == 0
    told = capsys.readouterr()
    found = json.loads(told.out)
    assert "forwards" not in told.err and {row["component"] for row in found["groups"]} == {"language", "vision"}
    assert {row["subject"] for row in found["sums"]} == {"all", "text", "image"}


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--tasks", "image-digits"], "did you mean 'image-digit'"),
        (["--method", "rtm"], "did you mean 'rtn'"),
        (["--method", "rtn", "--spec", "w4b4"], 'cannot read quantisation spec "w4b4"'),
        (["--method", "rtn", "--calibrate-on", "txt"], "unknown calibration set 'txt'"),
        (["--method", "rtn", "--scope", "hearing"], "unknown scope hearing"),
        (["--items", "0"], "cannot draw 0 items"),
        (["--item-file", "nowhere.jsonl"], "'nowhere.jsonl' cannot be read"),
        (["--item-file", "nowhere.jsonl", "--tasks", "text-facts"], "give one of the two"),
        (["--write-items", "/dev/null/items"], "cannot be written to '/dev/null/items' (Not a directory)"),
    ],
)
def test_bad_words_are_one_sentence(more, sentence, folder, cache, capsys):
    before = len(RunStore(cache).entries())
    asked = [*words("evaluate", folder, cache), *more]
    assert main(asked) == 2
    error = capsys.readouterr().err
    assert sentence in error and "Traceback" not in error
    assert len(RunStore(cache).entries()) <= before + 1  # a capture at most
