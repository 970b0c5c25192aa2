"""python -m lmms_eval --model morphoquant, on a folder with a small random model of text and images."""

import json
import os
import subprocess
import sys

import handover.needs_lmms  # noqa: F401
import pytest
from fixtures.saved_models import save_llava
from fixtures.small_loaded import small_items
from handover.local_task import write_tasks

from morphoquant.cli import main
from morphoquant.handover.generation import Wanted, answer
from morphoquant.models.load import load
from morphoquant.store.run_store import RunStore

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("command")


@pytest.fixture(scope="module")
def items():
    return [item for item in small_items(8) if item.task in ("letters", "colours")]


@pytest.fixture(scope="module")
def words(place, items):
    """A saved model, a capture of it made by our own command, and tasks; as the words of both commands."""
    folder, cache = save_llava(place / "llava"), place / "cache"
    assert main(["capture", "--model", str(folder), "--cache", str(cache), "--samples", "5"]) == 0
    (entry,) = RunStore(cache).entries()
    write_tasks(place / "tasks", items)
    return {"pretrained": folder, "cache": cache}, {
        "capture": entry.run_id,
        "method": "'rtn:grid=symmetric'",
        "spec": "w4a4-token",
    }


def lmms_eval(place, given, *more):
    line = ",".join(f"{name}={value}" for name, value in given.items())
    command = [sys.executable, "-m", "lmms_eval", "--model", "morphoquant", "--model_args", line]
    command += ["--include_path", str(place / "tasks"), "--log_samples", "--output_path", str(place / "out"), *more]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(place / "hub")}
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=place)


def samples(place, task):
    newest = max((place / "out").rglob(f"*_samples_{task}.jsonl"), key=lambda path: path.stat().st_mtime)
    lines = [json.loads(line) for line in newest.read_text(encoding="utf-8").splitlines()]
    return [line["filtered_resps"] for line in sorted(lines, key=lambda line: line["doc_id"])]


def test_the_command_answers_in_full_precision_and_quantised(place, words, items):
    model, method = words
    done = lmms_eval(place, model, "--tasks", "local_chat")
    assert done.returncode == 0, done.stderr
    assert "full precision: 0 linears are quantised" in done.stdout and "|local_chat" in done.stdout
    full = samples(place, "local_chat")
    loaded = load(str(model["pretrained"]), place / "cache")
    expected = [answer(loaded, item.sample, Wanted((), 6)).text.strip() for item in items]
    assert [one[0] if isinstance(one, list) else one for one in full] == expected

    done = lmms_eval(place, {**model, **method}, "--tasks", "local_chat")
    assert "in language: 14 linears are quantised" in done.stdout, done.stdout + done.stderr
    assert samples(place, "local_chat") != full


def test_the_command_weighs_choices_through_the_simple_interface(place, words):
    model, method = words
    done = lmms_eval(place, {**model, **method}, "--tasks", "local_choices", "--force_simple", "--batch_size", "2")
    assert "|local_choices" in done.stdout and "acc" in done.stdout, done.stdout + done.stderr


def test_a_mistake_is_told_in_one_sentence(place, words):
    model, method = words
    done = lmms_eval(place, {**model, **method, "capture": "capture-000000000000"}, "--tasks", "local_chat")
    assert "Error during evaluation: unknown run 'capture-000000000000': known are capture-" in done.stdout
