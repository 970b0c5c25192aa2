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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from faults.falling import REFUSED, attempt, begin, end
from faults.kill import differing
from faults.works import captures, contents, quantises

from morphoquant.store.run_store import RunStore

SIZES = 12


def _undisturbed(work, folder: Path) -> dict[str, str]:
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
    work, wrong, refused = captures(), [], 0
    wanted = _undisturbed(work, folder)
    largest = max(path.stat().st_size for path in (folder / "whole").rglob("*.parquet"))
    for step in range(SIZES):
        size, cache = largest * step // SIZES, folder / f"cache-{step}"
        found = attempt(work.act, cache, before=lambda size=size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)))
        wrong += _is_ours(found, "cannot write")
        refused += 1
        wrong += _resumed(work, cache, wanted)
    return {"stops": refused, "wrong": wrong}


def full(folder: Path) -> dict:
    """A file system of its own that is too small, then enlarged."""
    work, wrong, refused = captures(), [], 0
    wanted = _undisturbed(work, folder)
    used = sum(path.stat().st_size for path in (folder / "whole").rglob("*") if path.is_file())
    for step in range(SIZES):
        cache = folder / f"cache-{step}"
        with _mounted(cache, f"size={used * (step + 1) // (SIZES + 1) // 1024 + 4}k") as enlarge:
            found = attempt(work.act, cache)
            if found.code == 0:  # shards are dropped as it ends, so the whole run may fit
                continue
            wrong += _is_ours(found, "the disk is full", "No space left")
            refused += 1
            enlarge("size=64m")
            wrong += _resumed(work, cache, wanted)
    return {"stops": refused, "wrong": wrong}


def read_only(folder: Path) -> dict:
    """A cache that nobody may write: what is there is read, and nothing is begun."""
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
            wrong += _is_ours(attempt(lambda cache, one=one: RunStore(cache).delete(one.run_id), cache), "cannot remove")
        wrong += [] if fallen.killed and len(store.entries()) == 2 else ["no run was interrupted"]
        wrong += [] if contents(cache) == wanted else ["something was written"]
        change("rw")
    return {"stops": 4, "wrong": wrong}


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
    """Two commands that share runs and name them in opposite orders do not wait for each other."""
    one, other = quantises("rtn@w4a4", "morphoquant@w4a4"), quantises("morphoquant@w4a4", "rtn@w4a4")
    wanted, wrong = _undisturbed(one, folder), []
    for number in range(3):
        cache = Path(folder / f"cache-{number}")
        cache.mkdir()
        one.prepare(cache)
        started = time.monotonic()
        both = [begin(work.act, cache) for work in (one, other)]
        for found in [end(*pair, started) for pair in both]:
            if found.code:
                wrong.append(f"ended with {found.code}: {found.said}")
        if contents(cache) != wanted:
            wrong.append(f"other tables: {differing(contents(cache), wanted)}")
    return {"stops": 3, "wrong": wrong}


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
