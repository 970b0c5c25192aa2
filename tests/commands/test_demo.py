"""The main job end to end on the embedded model, small: the command a newcomer runs, in its own process."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from morphoquant.models.embedded.folder import prepare
from morphoquant.store.run_store import RunStore

pytestmark = pytest.mark.demo
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    """An empty cache that shares the converted weights with the checkout's."""
    folder = tmp_path_factory.mktemp("cache")
    prepare(ROOT / "cache")
    (folder / "models").symlink_to(ROOT / "cache" / "models")
    return folder


def run(cache: Path, *words: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "morphoquant", *words, "--cache", str(cache)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1500)


def test_demo_holds_all_modalities_and_prints_the_comparison(cache):
    words = ["demo", "--no-dashboard", "--samples", "15", "--eval-samples", "3"]
    done = run(cache, *words)
    assert done.returncode == 0, done.stderr
    table = done.stdout.split("\n\n")[0].splitlines()
    assert table[1].split() == ["method", "spec", "text", "image", "audio", "video"]
    assert [line.split()[0] for line in table[2:]] == ["rtn", "rtn", "dabc", "mdqfo", "morphoquant"]
    assert "capturing" in done.stderr and "left" in done.stderr

    store = RunStore(cache)
    captured = next(store.open(e.run_id) for e in store.entries() if e.header.plan.kind == "capture")
    stats = captured.frame("channel_stats", ["group", "modality"]).drop_duplicates()
    places = captured.frame("layers", ["layer", "component"]).rename(columns={"layer": "group"})
    found = stats.merge(places).groupby("component")["modality"].agg(set)
    assert {"text", "image", "audio", "video", "special"} <= found["language"]
    assert found["vision"] == {"image", "video"} and found["audio"] == {"audio"}
    assert "unknown" not in set(stats["modality"])

    compared = run(cache, "compare", "--json")
    assert compared.returncode == 0, compared.stderr
    assert len(json.loads(compared.stdout)) == 5 * 4

    again = run(cache, *words)
    assert again.stdout == done.stdout and "capturing" not in again.stderr and "measuring" not in again.stderr
