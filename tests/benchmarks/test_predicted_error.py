"""What cached histograms predict is what is measured: the benchmark's bound of 0.2 dB, on the layer inputs that were hardest."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from morphoquant.models.embedded.folder import prepare

ROOT = Path(__file__).parents[2]


@pytest.mark.demo
def test_predictions_of_the_hardest_layer_inputs_hold_on_the_embedded_model():
    prepare(ROOT / "cache")
    command = [sys.executable, "benchmarks/predicted_error.py", "--match", "*layers.1[2-4].self_attn.q_proj"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900, env=os.environ | {"PYTHONPATH": "."})
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    # Three layer inputs, seven bit-widths and two clip ratios, for each modality that has enough tokens.
    assert int(done.stdout.split(" settings")[0].split()[-1]) >= 3 * 7 * 2
