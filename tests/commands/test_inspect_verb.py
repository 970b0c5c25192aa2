"""inspect through the command line, on a folder with a small random model of text and images."""

import json

import pytest
from fixtures.saved_models import save_llava

from morphoquant.cli import main
from morphoquant.store.run_store import RunStore


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """A folder of media that the model can take, and the words that look inside with it."""
    from PIL import Image

    data = tmp_path_factory.mktemp("data")
    for number in range(2):
        Image.new("RGB", (16, 16), (90 * number, 40, 200)).save(data / f"{number}.png")
        (data / f"{number}.txt").write_text(f"What is shown in picture {number}?")
    model, cache = save_llava(tmp_path_factory.mktemp("llava")), tmp_path_factory.mktemp("cache")
    words = ["inspect", "--model", str(model), "--cache", str(cache), "--data", str(data), "--eval-data", str(data)]
    return cache, [*words, "--samples", "4", "--eval-samples", "2", "--scope", "language", "--keep-rows", "8"]


def test_it_looks_inside_tells_and_draws(asked, tmp_path, capsys):
    cache, words = asked
    assert main([*words, "--method", "rtn", "dabc", "--spec", "w4a4"]) == 0
    told = capsys.readouterr()
    assert "language 1" in told.out and "accumulated" in told.out and "rtn w4a4" in told.out
    runs = [entry.header for entry in RunStore(cache).entries() if entry.header.plan.kind == "inspect"]
    assert {run.plan.method for run in runs} == {"rtn", "dabc"} and {run.plan.data["samples"] for run in runs} == {2}
    assert main([*words, "--method", "rtn", "dabc", "--spec", "w4a4", "--json"]) == 0
    again = capsys.readouterr()
    rows = json.loads(again.out)
    assert {row["run_id"] for row in rows} == {run.run_id for run in runs}
    assert {row["source"] for row in rows} == {"alone", "accumulated"} and all(row["nmse"] > 0 for row in rows)
    assert "looking inside" in told.err and "looking inside" not in again.err
    for view in ("error_propagation", "attention_pair", "attention_boundary", "hidden_states"):
        assert main(["export", view, str(tmp_path / f"{view}.pdf"), "--cache", str(cache), "--run", runs[0].run_id]) == 0
        assert (tmp_path / f"{view}.pdf").read_bytes().startswith(b"%PDF")


def test_bad_words_are_one_sentence(asked, capsys):
    cache, words = asked
    for more, sentence in (
        (["--blocks", "9"], "no block 9 in the language model: allowed are 0 to 1"),
        (["--eval-samples", "0"], "give at least 1"),
        (["--scope", "ears"], "unknown scope ears"),
    ):
        assert main([*words, "--method", "rtn", *more]) == 2
        assert sentence in capsys.readouterr().err
