"""A user's own data through the verbs: captured and measured on, left out line by line, and another run once edited."""

import json

import numpy as np
import pytest
from fixtures.saved_models import save_llava
from PIL import Image

from morphoquant.cli import main
from morphoquant.store.run_store import RunStore


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_llava(tmp_path_factory.mktemp("llava"))


@pytest.fixture
def talks(tmp_path):
    folder = tmp_path / "own"
    folder.mkdir()
    rng = np.random.default_rng(0)
    lines = []
    for number in range(4):
        Image.fromarray(rng.integers(0, 255, (20, 30, 3), dtype=np.uint8)).save(folder / f"{number}.png")
        asked = [{"type": "image", "path": f"{number}.png"}, {"type": "text", "text": f"What is number {number}?"}]
        talk = [{"role": "user", "content": asked}, {"role": "assistant", "content": "Noise."}]
        lines.append({"messages": [{"role": "system", "content": "Be brief."}, *talk] if number % 2 else talk})
    lines.append({"messages": [{"role": "user", "content": [{"type": "image", "path": "none.png"}]}]})
    lines.append({"messages": [{"role": "user", "content": "A text with <image> but no picture."}]})
    (folder / "talks.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return folder / "talks.jsonl"


def captures(cache):
    return [entry.header for entry in RunStore(cache).entries() if entry.header.plan.kind == "capture"]


def test_talks_are_captured_and_bad_lines_are_one_sentence_each(model, talks, tmp_path, capsys):
    cache = tmp_path / "cache"
    words = ["capture", "--model", str(model), "--cache", str(cache), "--data", str(talks)]
    assert main([*words, "--json"]) == 0
    told = capsys.readouterr()
    made = json.loads(told.out)
    assert made["summary"]["left_out"] == [line.partition(": ")[2] for line in told.err.splitlines() if "talks.jsonl:" in line]
    assert [sentence.partition(":")[0] for sentence in sorted(made["summary"]["left_out"])] == ["line 5", "line 6"]
    (header,) = captures(cache)
    assert header.plan.data["id"] == "talks.jsonl" and header.plan.data["samples"] == 4
    tokens = RunStore(cache).open(header.run_id).frame("tokens")
    assert set(tokens["sample"]) == {0, 1, 2, 3} and (tokens[tokens["modality"] == "image"]["count"] == 4).all()
    assert main(words) == 0 and len(captures(cache)) == 1, "the same data are not captured again"
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(talks.parent / "0.png")
    assert main(words) == 0 and len(captures(cache)) == 2


def test_quantize_and_evaluate_take_own_data_and_measure_gradients_on_them(model, talks, tmp_path, capsys):
    cache = tmp_path / "cache"
    shared = ["--model", str(model), "--cache", str(cache), "--data", str(talks), "--method", "mbq", "--spec", "w4a16"]
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (talks.parent / "1.png").rename(pictures / "1.png")
    (pictures / "1.txt").write_text("Noise in many colours.")
    assert main(["quantize", *shared, "--eval-data", str(pictures), "--json"]) == 0
    (made,) = json.loads(capsys.readouterr().out)
    done = RunStore(cache).open(made["run_id"])
    assert done.plan.data["id"] == "pictures" and done.plan.data["samples"] == 1
    gradients = [entry.header for entry in RunStore(cache).entries() if entry.header.plan.kind == "gradients"]
    assert [header.summary["samples"] for header in gradients] == [3]
    assert main(["evaluate", *shared, "--items", "2", "--calibrate-on", str(talks), str(pictures)]) == 2
    assert "no sample has an answer" in capsys.readouterr().err, "gradients are those of answers, and the folder has none"
    asked = ["--items", "2", "--json", "--calibrate-on", str(talks), str(pictures)]
    assert main(["evaluate", *[word if word != "mbq" else "rtn" for word in shared], *asked]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {row["calibration"] for row in found["matrix"]} == {"talks.jsonl", "pictures"}


def test_data_that_are_not_there_are_one_sentence(model, tmp_path, capsys):
    for name, says in (
        (str(tmp_path / "none.jsonl"), "there is no file or folder"),
        ("demo-calibratoin", "did you mean 'demo-calibration'"),
    ):
        assert main(["capture", "--model", str(model), "--cache", str(tmp_path), "--data", name]) == 2
        assert says in capsys.readouterr().err.strip().splitlines()[-1]
