"""The dashboard's benchmark and its big cache run; whether the numbers keep to their budgets is for a quiet machine to say."""

import sys
from pathlib import Path

import pytest

from morphoquant.store.run_store import RunStore
from morphoquant.takeaway.notebook import ask

ROOT = Path(__file__).parents[2]


@pytest.fixture
def importable(monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.delitem(sys.modules, "benchmarks", raising=False)


def test_a_cache_of_a_few_layers_is_whole_and_says_that_it_is_synthetic(importable, tmp_path):
    from benchmarks.big_cache import Linear, build

    widths = {"q_proj": 24, "k_proj": 24, "down_proj": 40}
    stem = "thinker.model.layers"
    layers = [
        Linear(
            f"{stem}.{block}.{role}",
            f"{stem}.{block}.{'q_proj' if role == 'k_proj' else role}",
            "language",
            block,
            role,
            width,
            8,
        )
        for block in range(2)
        for role, width in widths.items()
    ]
    build(tmp_path, layers, blocks=1)
    runs = {entry.header.plan.method: RunStore(tmp_path).open(entry.run_id) for entry in RunStore(tmp_path).entries()}
    capture = runs[None]
    assert set(runs) == {None, "rtn", "morphoquant"} and all("synthetic" in run.header.summary["note"] for run in runs.values())
    assert capture.header.tables["channel_stats"] == 2 * (24 + 40) * 5 and capture.header.tables["histograms"] == (24 + 40) * 5
    counted = capture.frame("histograms")["counts"].map(sum)
    assert counted.min() > 0
    layer = f"{stem}.0.down_proj"
    for name in ("channel_ranges", "activation_histogram", "outlier_mask"):
        assert len(ask(capture, name, **({"layer": layer} if name != "outlier_mask" else {})).figure.data)
    for name in ("grid_placement", "grid_use", "layer_error", "error_split"):
        assert len(ask(runs["morphoquant"], name, **({"layer": layer} if name == "grid_placement" else {})).figure.data)


@pytest.mark.slow
def test_the_big_cache_has_the_layers_of_the_7b_model(importable):
    from benchmarks.big_cache import _SLOTS, linears

    layers = linears()
    own = {(one.component, one.role): (one.inputs, one.outputs) for one in layers}
    assert own["language", "down_proj"] == (18944, 3584) and own["language", "k_proj"] == (3584, 512)
    assert own["vision", "down_proj"] == (3420, 1280) and own["audio", "fc2"] == (5120, 1280)
    counts = {part: len({one.block for one in layers if one.component == part}) for part in ("language", "vision")}
    assert counts == {"language": 28, "vision": 32}
    rows = sum(one.inputs * len(_SLOTS[one.component]) for one in layers if one.name == one.group)
    assert 4_500_000 < rows < 5_500_000


@pytest.mark.slow
def test_the_benchmark_prints_every_number_beside_its_budget(importable, small_runs, capsys, monkeypatch):
    monkeypatch.setenv("MORPHOQUANT_CACHE", "")
    monkeypatch.chdir(ROOT)
    from benchmarks.dashboard import main

    assert main(["--cache", str(small_runs.store.cache)]) in (0, 1)
    printed = capsys.readouterr().out
    for words in (
        "first page (Overview)",
        "page what_if, first visit",
        "page compare, again",
        "view channel_ranges, widest layer",
    ):
        assert words in printed
    assert "what if, a change for the widest layer" in printed and "heaviest chart" in printed and "budget 1 MB" in printed
