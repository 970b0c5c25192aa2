"""What is disturbed: the verbs that write, on small random models and in many small shards."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fixtures.every_method import EVERY
from fixtures.pairs import pair, pairs
from fixtures.run_files import contents as contents  # those of this folder take it from here
from fixtures.small_loaded import small_items, small_loaded
from fixtures.tiny_omni import CONTROL, tiny_batches, tiny_model

import morphoquant
from morphoquant.core.progress import Progress, silent
from morphoquant.runs import capture, evaluate, inspection, quantize, sensitivity
from morphoquant.runs.identity import model_identity
from morphoquant.store.run import Run
from morphoquant.store.run_store import RunStore

# Samples or items of a shard; a process that works on more of them has fewer moments to fall at.
SHARD = 2
capture.SHARD = quantize.SHARD = evaluate.SHARD = sensitivity.SHARD = SHARD
# Bytes that a verb within a bound of memory has: for the statistics of some inputs, for the weights of some groups. Each process
# has others, since what else it holds differs.
ROOM = 80_000
capture.room = quantize.room = lambda memory, model: ROOM * (1 + os.getpid() % 4)


@dataclass(frozen=True)
class Work:
    """One verb on a small model.

    Attributes:
        prepare: makes in a cache folder what the verb needs.
        act: does the verb in it; resumes what is there. Of verbs that processes share, `together` with others.
    """

    prepare: Callable[[Path], None]
    act: Callable[..., None]


def captures(memory: int | None = None) -> Work:
    """Five samples in three shards; with a memory, in several passes."""
    model, batches = tiny_model(), tiny_batches(5)
    bound = {"keep_rows": 8, "memory": memory}

    def act(cache: Path, progress: Progress = silent, together: bool = False) -> None:
        morphoquant.capture(model, batches, store=cache, control=CONTROL, progress=progress, together=together, **bound)

    return Work(lambda cache: None, act)


def quantises(*texts: str, memory: int | None = None) -> Work:
    """Two methods on five samples in three shards; with a memory, in several passes."""
    model, measured = tiny_model(), tiny_batches(5, seed=9)
    wanted, data = pairs(*(texts or ("rtn@w4a4", "morphoquant@w4a4"))), {"id": "tiny", "fingerprint": "x", "samples": 5}

    def prepare(cache: Path) -> None:
        morphoquant.capture(model, tiny_batches(4), store=cache, control=CONTROL, keep_rows=8)

    def act(cache: Path, progress: Progress = silent, together: bool = False) -> None:
        store, identity = RunStore(cache), model_identity(model)
        run = _captured(cache)
        options = {"store": store, "identity": identity, "data": data, "control": CONTROL, "progress": progress}
        morphoquant.quantize(model, run, measured, wanted, together=together, memory=memory, **options)

    return Work(prepare, act)


def evaluates() -> Work:
    """Full precision with its control and one method, asked five items in three shards, and a passage."""
    loaded = small_loaded()

    def prepare(cache: Path) -> None:
        batches = [loaded.encode([item.sample]) for item in small_items(4, seed=5)]
        options = {"identity": loaded.identity, "control": loaded.control, "keep_rows": 8}
        morphoquant.capture(loaded.model, batches, store=cache, **options)

    def act(cache: Path, progress: Progress = silent, together: bool = False) -> None:
        store = RunStore(cache)
        options = {"store": store, "captures": [_captured(cache)], "texts": [("one", "A passage to read.")], "progress": progress}
        evaluate.evaluate(loaded, small_items(5), pairs("rtn@w4a4"), together=together, **options)

    return Work(prepare, act)


def ranks() -> Work:
    """Two groups of layers and all, each quantised alone, asked five items in three shards."""
    loaded = small_loaded()

    def act(cache: Path, progress: Progress = silent) -> None:
        method, spec = pair("rtn@w4a4")
        options = {"store": RunStore(cache), "capture": _captured(cache), "scope": ["connector"], "progress": progress}
        sensitivity.sensitivity(loaded, small_items(5), method, spec, **options)

    return Work(evaluates().prepare, act)


def looks() -> Work:
    """Hidden states and attention of five samples, quantised by two methods."""
    model, shown = tiny_model(), tiny_batches(5, seed=9)

    def act(cache: Path, progress: Progress = silent) -> None:
        wanted, data = pairs("rtn@w4a4", "morphoquant@w4a4"), {"id": "tiny", "fingerprint": "x", "samples": 5}
        options = {"identity": model_identity(model), "data": data, "control": CONTROL, "progress": progress}
        inspection.inspect(model, _captured(cache), shown, wanted, store=RunStore(cache), **options)

    return Work(quantises().prepare, act)


def _captured(cache: Path) -> Run:
    store = RunStore(cache)
    return next(store.open(one.run_id) for one in store.entries() if one.header and one.header.plan.kind == "capture")


BLOCKWISE = ("rtn@w4a4", "omniquant:steps=2@w4a4-token")
_WHOLE = {"capture": captures, "quantize": quantises, "evaluate": evaluates, "sensitivity": ranks, "inspect": looks}
WORKS = {
    **_WHOLE,
    "capture-in-passes": partial(captures, memory=1),
    "quantize-in-passes": partial(quantises, memory=1),
    "blocks-in-passes": partial(quantises, *BLOCKWISE, memory=1),
}
# What is done twice and compared; verbs in passes make the tables that they make without.
REPEATED = {**_WHOLE, "every method": lambda: quantises(*EVERY)}
