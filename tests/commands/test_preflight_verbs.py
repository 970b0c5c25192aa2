"""--preflight prints and ends; without it, what stands in the way is told before the weights are loaded."""

import json

import pytest
from fixtures.saved_models import save_llava
from fixtures.small_loaded import small_loaded

from morphoquant.cli import main
from morphoquant.commands import workload
from morphoquant.store.run_store import RunStore


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_llava(tmp_path_factory.mktemp("llava"))


@pytest.fixture
def texts(tmp_path):
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a.txt").write_text("Words and more words.")
    (folder / "b.txt").write_text("Few.")
    return folder


def test_preflight_prints_the_figures_and_makes_no_run(model, texts, tmp_path, capsys):
    shared = ["--model", str(model), "--cache", str(tmp_path / "cache"), "--data", str(texts), "--preflight"]
    assert main(["capture", *shared]) == 0
    told = capsys.readouterr().out
    for name in ("weights", "statistics", "largest activation", "memory at most", "disk at most"):
        assert name in told
    assert "warning: the model takes image, and no sample of texts holds any" in told and "quantised" not in told
    assert main(["quantize", *shared, "--method", "rtn", "morphoquant"]) == 0
    assert "quantised weights" in capsys.readouterr().out
    assert not RunStore(tmp_path / "cache").entries()


def test_a_group_size_that_does_not_divide_stops_before_the_weights_are_loaded(model, texts, tmp_path, capsys):
    shared = ["--model", str(model), "--cache", str(tmp_path / "cache"), "--data", str(texts), "--spec", "w4a8-g32"]
    for more in ([], ["--preflight"]):
        assert main(["quantize", *shared, "--method", "rtn", *more]) == 2
        said = capsys.readouterr().err.strip().splitlines()[-1]
        assert (
            said.startswith("SpecError: cannot quantise the weight of ") and "48 input channels" in said and "down_proj" in said
        )
    assert not RunStore(tmp_path / "cache").entries(), "nothing was captured for it"
    assert main(["quantize", *shared, "--method", "rtn", "--no-preflight"]) == 2
    assert {entry.header.plan.kind for entry in RunStore(tmp_path / "cache").entries()} == {"quantize", "capture"}


def test_it_runs_by_itself_warns_and_reads_bad_files_once(model, texts, tmp_path, capsys):
    (texts / "c.bin").write_bytes(b"?")
    words = ["--model", str(model), "--cache", str(tmp_path / "cache"), "--data", str(texts)]
    assert main(["capture", *words, "--json"]) == 0
    told = capsys.readouterr()
    run = json.loads(told.out)["run_id"]
    assert told.err.count("c.bin") == 1 and told.err.count("warning: the model takes image") == 1
    assert "preflight: memory at most" in told.err
    # Of a capture that is there, no data are asked for.
    assert main(["quantize", *words, "--run", run, "--method", "rtn", "--eval-samples", "2"]) == 0
    told = capsys.readouterr()
    assert "warning" not in told.err and "run rtn" in told.out
    # Its samples, longer than those that are measured on, are run again for methods that are fitted to blocks or need gradients.
    (texts / "a.txt").write_text("Few.")
    few = ["quantize", *words, "--run", run, "--eval-data", str(texts), "--eval-samples", "2", "--preflight", "--method"]
    assert [main([*few, name]) for name in ("rtn", "qvlm", "mbq")] == [0, 0, 0]
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("largest activation")]
    assert lines[1] == lines[2] != lines[0]


def test_the_embedded_model_is_loaded_once_and_refuses_talks_of_several_turns(tmp_path, capsys, monkeypatch):
    loads = []

    def small(args):  # the embedded model's classes with random weights, in place of a download
        loads.append(args.model)
        return small_loaded()

    monkeypatch.setattr(workload, "load_model", small)
    asked, brief = {"role": "user", "content": "Why?"}, {"role": "system", "content": "Be brief."}
    talks = tmp_path / "talks.jsonl"
    talks.write_text("\n".join(json.dumps({"messages": one}) for one in ([asked], [brief, asked])))
    words = ["--cache", str(tmp_path / "cache"), "--data", str(talks)]
    assert main(["capture", *words, "--preflight"]) == 0
    told = capsys.readouterr()
    assert [line.split(",")[0] for line in told.out.splitlines() if "warning" in line] == [
        f"warning: the model takes {modality}" for modality in ("image", "audio", "video")
    ]
    assert "talks.jsonl: line 2: " in told.err and "one user turn and its answer" in told.err
    assert main(["capture", *words, "--json"]) == 0 and loads == ["demo", "demo"], "once for each command"
    made = json.loads(capsys.readouterr().out)
    assert made["status"] == "finished" and len(made["summary"]["left_out"]) == 1


ASKED = ["--items", "2", "--samples", "3", "--keep-rows", "4"]
LOOKED_AT = ["--samples", "3", "--eval-samples", "1", "--keep-rows", "4"]
VERBS = {
    "evaluate": (ASKED, ("keys and values", "quantised weights")),
    "sensitivity": (ASKED, ("quantised weights",)),
    "inspect": (LOOKED_AT, ("states, attention", "quantised weights")),
    "compare": ([*LOOKED_AT, "--items", "2"], ("keys and values", "quantised weights")),
}


def figure(told: str, name: str) -> str:
    """What stands behind a name."""
    return next(line for line in told.splitlines() if line.startswith(name)).removeprefix(name).strip()


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_tells_what_it_needs_before_a_model_is_loaded(verb, model, tmp_path, capsys):
    more, names = VERBS[verb]
    words = [verb, "--model", str(model), "--cache", str(tmp_path), *more, "--preflight", "--method"]
    assert main([*words, "rtn"]) == 0
    told = capsys.readouterr().out
    for name in ("weights", "statistics", "largest activation", "memory at most", "disk at most", *names):
        assert figure(told, name) and not figure(told, name).startswith("0 ")
    assert main([*words, "rtn", "--spec", "w4a8-g32"]) == (0 if verb == "compare" else 2)
    said = capsys.readouterr()
    where = said.out if verb == "compare" else said.err
    assert "cannot quantise the weight of " in where and "48 input channels" in where
    assert not RunStore(tmp_path).entries()


def test_methods_that_round_weights_alike_need_them_once(model, tmp_path, capsys):
    words = ["evaluate", str(model), "--cache", str(tmp_path), *ASKED, "--preflight", "--method"]
    found = []
    for methods in (["rtn"], ["rtn", "dabc"], ["rtn", "gptq"], ["rtn", "--spec", "w4a4", "w8a8"]):
        assert main([*words, *methods]) == 0
        number, unit = figure(capsys.readouterr().out, "quantised weights").split()
        found.append(float(number) * {"KiB": 1, "MiB": 1024}[unit])
    assert found[1] == found[0] and found[2:] == pytest.approx([2 * found[0]] * 2, rel=0.05)


def test_a_group_size_leaves_other_methods_whole_where_many_are_compared(model, texts, tmp_path, capsys):
    words = [
        "compare",
        "--model",
        str(model),
        "--cache",
        str(tmp_path / "cache"),
        "--data",
        str(texts),
        "--eval-data",
        str(texts),
    ]
    assert main([*words, "--method", "rtn", "--spec", "w4a8-g32", "w4a4", "--json"]) == 2
    told = capsys.readouterr()
    assert {row["spec"] for row in json.loads(told.out)} == {"w4a4"}
    assert "problem: cannot quantise the weight of " in told.err and "1 of 2 failed as a whole or in part" in told.err
