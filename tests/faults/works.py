"""What is disturbed: capture, quantise and evaluate of small random models, in many small shards."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fixtures.pairs import pairs
from fixtures.small_loaded import small_items, small_loaded
from fixtures.tiny_omni import CONTROL, tiny_batches, tiny_model

import morphoquant
from morphoquant.core.progress import Progress, silent
from morphoquant.runs import capture, evaluate, quantize
from morphoquant.runs.identity import model_identity
from morphoquant.store.run_store import RunStore

# Samples or items of a shard; a process that works on more of them has fewer moments to fall at.
SHARD = 2
capture.SHARD = quantize.SHARD = evaluate.SHARD = SHARD


@dataclass(frozen=True)
class Work:
    """One verb on a small model.

    Attributes:
        prepare: makes in a cache folder what the verb needs.
        act: does the verb in it; resumes what is there.
    """

    prepare: Callable[[Path], None]
    act: Callable[..., None]


def captures() -> Work:
    """Five samples in three shards."""
    model, batches = tiny_model(), tiny_batches(5)

    def act(cache: Path, progress: Progress = silent) -> None:
        morphoquant.capture(model, batches, store=cache, control=CONTROL, keep_rows=8, progress=progress)

    return Work(lambda cache: None, act)


def quantises(*texts: str) -> Work:
    """Two methods on five samples in three shards."""
    model, measured = tiny_model(), tiny_batches(5, seed=9)
    wanted, data = pairs(*(texts or ("rtn@w4a4", "morphoquant@w4a4"))), {"id": "tiny", "fingerprint": "x", "samples": 5}

    def prepare(cache: Path) -> None:
        morphoquant.capture(model, tiny_batches(4), store=cache, control=CONTROL, keep_rows=8)

    def act(cache: Path, progress: Progress = silent) -> None:
        store, identity = RunStore(cache), model_identity(model)
        (run,) = [store.open(one.run_id) for one in store.entries() if one.header and one.header.plan.kind == "capture"]
        options = {"store": store, "identity": identity, "data": data, "control": CONTROL, "progress": progress}
        morphoquant.quantize(model, run, measured, wanted, **options)

    return Work(prepare, act)


def evaluates() -> Work:
    """Full precision with its control and one method, asked five items in three shards, and a passage."""
    loaded = small_loaded()

    def prepare(cache: Path) -> None:
        batches = [loaded.encode([item.sample]) for item in small_items(4, seed=5)]
        options = {"identity": loaded.identity, "control": loaded.control, "keep_rows": 8}
        morphoquant.capture(loaded.model, batches, store=cache, **options)

    def act(cache: Path, progress: Progress = silent) -> None:
        store = RunStore(cache)
        run = next(store.open(one.run_id) for one in store.entries() if one.header and one.header.plan.kind == "capture")
        options = {"store": store, "captures": [run], "texts": [("one", "A passage to read.")], "progress": progress}
        evaluate.evaluate(loaded, small_items(5), pairs("rtn@w4a4"), **options)

    return Work(prepare, act)


WORKS = {"capture": captures, "quantize": quantises, "evaluate": evaluates}


def contents(cache: Path) -> dict[str, str]:
    """sha256 of every file of every run below a cache folder, but for headers, which hold times, and locks."""
    return {
        str(path.relative_to(cache)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((cache / "runs").rglob("*"))
        if path.is_file() and path.name not in ("run.json", ".lock")
    }
