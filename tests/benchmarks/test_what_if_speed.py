"""The What if benchmark runs and prints both of its numbers; whether it keeps to its bounds is for a quiet machine to say."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_benchmark_prints_a_layer_and_the_whole_model(small_runs, capsys, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.delitem(sys.modules, "benchmarks", raising=False)
    from benchmarks.what_if import SETTINGS, main

    assert main(["--cache", str(small_runs.store.cache)]) in (0, 1)
    printed = capsys.readouterr().out
    assert "11 layer inputs" in printed and "the whole model: at most" in printed and "a layer: at most" in printed
    assert printed.count(" ms  ") == 2 * len(SETTINGS)
