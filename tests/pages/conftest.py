"""Caches that the pages are opened on: whole, empty, and with runs in every other state."""

from pathlib import Path

import pytest
import small_run

from morphoquant.store.run_store import RunStore

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def whole_cache(tmp_path_factory) -> Path:
    """One capture and three quantize runs of it."""
    cache = tmp_path_factory.mktemp("whole")
    capture = small_run.write_capture(cache)
    small_run.write_quantize(cache, capture, "rtn")
    small_run.write_quantize(cache, capture, "rtn", bits=8)
    small_run.write_quantize(cache, capture, "morphoquant", variant="reference")
    return cache


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache that the pages look at."""
    monkeypatch.setenv("MORPHOQUANT_CACHE", str(tmp_path))
    monkeypatch.chdir(ROOT)
    return tmp_path


def begin(cache: Path, plan) -> None:
    """Leaves a run that is being written."""
    RunStore(cache).writer(plan)


def fail(cache: Path, plan, sentence: str) -> None:
    """Leaves a run that failed with `sentence`."""
    with pytest.raises(RuntimeError), RunStore(cache).writer(plan):
        raise RuntimeError(sentence)
