"""The shipped connectors answer: a small evaluation of the embedded model by the command line, full precision and quantised."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from morphoquant.models.embedded.folder import prepare

pytestmark = pytest.mark.demo
ROOT = Path(__file__).parents[2]
# Far enough below the figures of the model card that a dozen items do not fail by chance.
FLOORS = {"image-digit": 0.75, "spoken-digit": 0.8, "video-digit": 0.6, "video-motion": 0.6}


def test_the_embedded_model_answers_and_eight_bit_weights_keep_its_answers(tmp_path):
    prepare(ROOT / "cache")
    (tmp_path / "models").symlink_to(ROOT / "cache" / "models")
    words = ["evaluate", "demo", "--tasks", *FLOORS, "--items", "12", "--method", "rtn", "--spec", "w8a16", "--samples", "15"]
    command = [sys.executable, "-m", "morphoquant", *words, "--json", "--cache", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    full = {row["task"]: row for row in found["tasks"] if row["method"] is None}
    assert set(full) == set(FLOORS)
    for task, floor in FLOORS.items():
        assert full[task]["items"] == 12
        assert full[task]["accuracy"] >= floor, full[task]
        assert full[task]["shuffled"] <= full[task]["chance"] + 0.35
    quantised = [row for row in found["tasks"] if row["method"] == "rtn"]
    assert min(row["agreement"] for row in quantised) >= 0.75
