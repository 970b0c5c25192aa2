"""Disks that take nothing more, and two processes at one run: `python tests/faults/stopped.py TRIAL` prints what came of it.

Each trial ends with the same command on a disk that is as it should be, whose tables must be those of an undisturbed run.
"""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from faults.falling import REFUSED, attempt, begin, end
from faults.kill import differing
from faults.works import WORKS, Work, captures, contents, quantises

from morphoquant.cli import main
from morphoquant.store.run_store import RunStore

# How many sizes are tried, of files and of whole disks.
LIMITS = dict.fromkeys(WORKS, 2)
DISKS = {"capture": 5, "quantize": 3, "evaluate": 3}
# Verbs of which two processes do the same at once.
_MEETING = ("capture", "evaluate", "sensitivity", "inspect", "quantize-in-passes")
_PAGE = 4096  # bytes that a file system in memory gives out at once


@dataclass(frozen=True)
class _Trial:
    """A verb whose disk is too small.

    Attributes:
        work: the verb.
        steps: how many sizes are tried.
        template: a cache with what the verb needs.
        wanted: what is in it after an undisturbed run.
        added: sizes in bytes of the tables that the verb adds.
    """

    work: Work
    steps: int
    template: Path
    wanted: dict[str, str]
    added: list[int]


def _trials(sizes: dict[str, int], folder: Path) -> Iterator[_Trial]:
    for verb, steps in sizes.items():
        work, template, whole = WORKS[verb](), folder / verb / "template", folder / verb / "whole"
        template.mkdir(parents=True)
        work.prepare(template)
        before = contents(template)
        shutil.copytree(template, whole)
        work.act(whole)
        wanted = contents(whole)
        yield _Trial(work, steps, template, wanted, [(whole / name).stat().st_size for name in wanted.keys() - before.keys()])


def _undisturbed(work: Work, folder: Path) -> dict[str, str]:
    cache = folder / "whole"
    cache.mkdir()
    work.prepare(cache)
    work.act(cache)
    return contents(cache)


def _resumed(work, cache: Path, wanted: dict[str, str]) -> list[str]:
    found = attempt(work.act, cache)
    if found.code:
        return [f"the same command again ended with {found.code}: {found.said}"]
    return [] if contents(cache) == wanted else [f"other tables: {differing(contents(cache), wanted)}"]


def _is_ours(found, *words: str) -> list[str]:
    """One sentence of ours that holds one of `words`."""
    fine = found.code == REFUSED and "\n" not in found.said and found.said.endswith(".")
    return [] if fine and any(word in found.said for word in words) else [f"ended with {found.code}: {found.said}"]


def limited(folder: Path) -> dict:
    """A limit on the size of files, which the system holds against bytes that Arrow writes too."""
    wrong, refused = [], 0
    for trial in _trials(LIMITS, folder):
        for step in range(trial.steps):
            size, cache = max(trial.added) * step // trial.steps, trial.template.with_name(f"cache-{step}")
            shutil.copytree(trial.template, cache)
            limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (size, size))
            wrong += _is_ours(attempt(trial.work.act, cache, before=limit), "cannot write")
            refused += 1
            wrong += _resumed(trial.work, cache, trial.wanted)
    return {"stops": refused, "wrong": wrong}


def full(folder: Path) -> dict:
    """A file system of its own that is too small, then enlarged."""
    wrong, refused = [], 0
    for trial in _trials(DISKS, folder):
        used = _pages(path.stat().st_size for path in trial.template.rglob("*") if path.is_file())
        for step in range(trial.steps):
            cache = trial.template.with_name(f"cache-{step}")
            more = _pages(trial.added) * (step + 1) // (trial.steps + 1)
            with _mounted(cache, f"size={used + more}") as enlarge:
                shutil.copytree(trial.template, cache, dirs_exist_ok=True)
                found = attempt(trial.work.act, cache)
                if found.code == 0:  # shards are dropped as it ends, so the whole run may fit
                    continue
                wrong += _is_ours(found, "the disk is full", "No space left")
                refused += 1
                enlarge("size=64m")
                wrong += _resumed(trial.work, cache, trial.wanted)
    return {"stops": refused, "wrong": wrong}


def _pages(sizes: Iterable[int]) -> int:
    """Bytes that files of such sizes take."""
    return sum(-(-size // _PAGE) * _PAGE for size in sizes)


def read_only(folder: Path) -> dict:
    """A cache that nobody may write: what is there is read and shown, and nothing is begun."""
    work, other, wrong, cache = captures(), quantises(), [], folder / "cache"
    with _mounted(cache, "size=64m") as change:
        work.act(cache)
        (folder / "elsewhere").mkdir()
        other.prepare(folder / "elsewhere")
        fallen = attempt(other.prepare, cache, event=60)
        wanted = contents(cache)
        change("ro")
        found = attempt(work.act, cache)
        wrong += [] if found.code == 0 else [f"a finished run was not found: {found.said}"]
        wrong += _is_ours(attempt(other.prepare, cache), "cannot write")
        store = RunStore(cache)
        wrong += [one.problem for one in store.entries() if one.header is None]
        for one in store.entries():
            if one.header.status == "finished":
                store.open(one.run_id).frame("channel_stats")
                found = attempt(partial(_shown, one.run_id, folder), cache)
                wrong += [f"a verb that looks alone failed: {found.said}"] if found.code else []
            wrong += _is_ours(attempt(lambda cache, one=one: RunStore(cache).delete(one.run_id), cache), "cannot remove")
        wrong += [] if fallen.killed and len(store.entries()) == 2 else ["no run was interrupted"]
        wrong += [] if contents(cache) == wanted else ["something was written"]
        change("rw")
    return {"stops": 4, "wrong": wrong}


def _shown(run_id: str, folder: Path, cache: Path) -> None:
    """Does what looks at a run alone; its files go elsewhere."""
    figure, page = (str(folder / name) for name in ("figure.pdf", "report.html"))
    for words in (["runs"], ["findings", run_id], ["export", "channel_ranges", figure], ["report", run_id, page]):
        if main([*words, "--cache", str(cache)]):
            raise RuntimeError(f"{words[0]} was refused")


def two(folder: Path) -> dict:
    """Two processes at one plan: one works, the other waits, then reads, or goes on where the first was killed."""
    work, wrong = captures(), []
    wanted = _undisturbed(work, folder)
    for killed in (False, True, True):
        cache = folder / f"cache-{len(list(folder.iterdir()))}"
        told = cache.with_suffix(".txt")

        def waits(cache: Path, told: Path = told) -> None:
            work.act(cache, lambda stage, *_: told.open("a").write(f"{stage}\n"))

        started, first = time.monotonic(), begin(work.act, cache)
        _until(lambda cache=cache: any((cache / "runs").glob("*/shards")))
        second = begin(waits, cache)
        if killed:
            _until(lambda told=told: told.exists())
            os.kill(first[0], signal.SIGKILL)
        ends = [end(*first, started).code, end(*second, started)]
        if ends[0] != (-signal.SIGKILL if killed else 0) or ends[1].code:
            wrong.append(f"ended with {ends[0]} and {ends[1].code}: {ends[1].said}")
        stages = set(told.read_text().split("\n")) if told.exists() else set()
        if not any("waiting for the process" in one for one in stages) or ("capturing" in stages) != killed:
            wrong.append(f"the second did {sorted(stages)}")
        if contents(cache) != wanted:
            wrong.append(f"other tables: {differing(contents(cache), wanted)}")
    return {"stops": 3, "wrong": wrong}


def crossed(folder: Path) -> dict:
    """Two commands at the same runs, begun at once: of each verb, and of quantize with its methods in opposite orders. Neither
    waits for ever, both end well, and there is one set of tables."""
    orders = quantises("rtn@w4a4", "morphoquant@w4a4"), quantises("morphoquant@w4a4", "rtn@w4a4")
    meeting = [orders, orders, *((work, work) for work in (WORKS[verb]() for verb in _MEETING))]
    wrong = []
    for number, (one, other) in enumerate(meeting):
        below = folder / str(number)
        below.mkdir()
        wanted, cache = _undisturbed(one, below), below / "cache"
        cache.mkdir()
        one.prepare(cache)
        started = time.monotonic()
        both = [begin(work.act, cache) for work in (one, other)]
        wrong += [
            f"{number} ended with {found.code}: {found.said}" for found in (end(*pair, started) for pair in both) if found.code
        ]
        if contents(cache) != wanted:
            wrong.append(f"{number} other tables: {differing(contents(cache), wanted)}")
    return {"stops": len(meeting), "wrong": wrong}


@contextmanager
def _mounted(folder: Path, options: str) -> Iterator[Callable[[str], None]]:
    """A file system in memory at `folder`; yields what mounts it anew with other options."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)
    try:
        yield lambda other: subprocess.run(["mount", "-o", f"remount,{other}", str(folder)], check=True) and None
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def _until(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("it did not happen in time")
        time.sleep(0.002)


TRIALS = {trial.__name__: trial for trial in (limited, full, read_only, two, crossed)}

if __name__ == "__main__":
    folder = Path(tempfile.mkdtemp())
    try:
        print(json.dumps(TRIALS[sys.argv[1]](folder)))
    finally:
        shutil.rmtree(folder)
