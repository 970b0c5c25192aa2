"""Kills verbs at random moments and resumes them: `python tests/faults/kill.py SEED VERB=MOMENTS...` prints what came of each."""

import json
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from faults.falling import attempt
from faults.works import WORKS, Work, contents

from morphoquant.store.run_store import RunStore

# Of every three attempts at a run two are killed at most, so that many are killed while they resume.
_FALLS = 2


def kill(work: Work, moments: int, seed: int, folder: Path) -> dict:
    """Kills until `moments` are reached.

    Returns:
        "moments" reached, "resumed" runs that came to their end, "harmed" of them with a file damaged in between, and what went
        wrong, as sentences, in "wrong"; and the "seconds" that it took.
    """
    started = time.monotonic()
    rng, wrong, reached, resumed, harmed = random.Random(seed), [], 0, 0, 0
    template, whole = folder / "template", folder / "whole"
    work.prepare(template)
    template.mkdir(exist_ok=True)
    shutil.copytree(template, whole)
    work.act(whole)  # here, so that all that is forked is warm
    wanted, prepared = contents(whole), contents(template)
    calm = attempt(work.act, Path(shutil.copytree(template, folder / "calm")))
    if calm.code or contents(folder / "calm") != wanted:
        wrong.append(f"undisturbed runs differ: {calm.said or differing(contents(folder / 'calm'), wanted)}")
    while reached < moments:
        cache, falls = Path(shutil.copytree(template, folder / "cache")), 0
        while True:
            how = _moment(rng, calm) if falls < _FALLS else {}
            found = attempt(work.act, cache, **how)
            wrong += [f"{how}: {one}" for one in _looked_at(cache, wanted)]
            if not found.killed:
                break
            reached, falls = reached + 1, falls + 1
            if falls == _FALLS and rng.random() < 0.5:
                harmed += _harm(rng, cache, prepared)
        if found.code:
            wrong.append(f"an attempt ended with {found.code}: {found.said}")
        elif contents(cache) != wanted:
            wrong.append(f"after {falls} falls: {differing(contents(cache), wanted)}")
        resumed += falls > 0
        shutil.rmtree(cache)
    counts = {"moments": reached, "resumed": resumed, "harmed": harmed, "events": calm.events}
    return {**counts, "wrong": wrong, "seconds": round(time.monotonic() - started)}


def _moment(rng: random.Random, calm) -> dict:
    """Half of the falls are at a change to the folder, and half at any time."""
    if rng.random() < 0.5:
        return {"event": rng.randint(1, calm.events)}
    return {"seconds": rng.uniform(0, calm.seconds)}


def _looked_at(cache: Path, wanted: dict[str, str]) -> list[str]:
    """What is wrong in a folder whose writer is gone."""
    store, wrong = RunStore(cache), []
    for entry in store.entries():
        if entry.header is None:
            if "has no run.json" not in entry.problem:
                wrong.append(entry.problem)
        elif entry.header.status == "running":
            wrong.append(f"{entry.run_id} is called running, and nobody writes it")
        elif entry.header.status == "finished":
            for name in entry.header.tables:
                store.open(entry.run_id).table(name)
            names = {f"runs/{entry.run_id}/{name}.parquet" for name in entry.header.tables}
            if not names <= set(wanted) or any(contents(cache)[name] != wanted[name] for name in names):
                wrong.append(f"{entry.run_id} is called finished, and its tables are others")
    return wrong


def _harm(rng: random.Random, cache: Path, prepared: dict[str, str]) -> int:
    """Damages one file of what the killed processes left, as a disk does."""
    stored = [cache / name for name in contents(cache) if name not in prepared and "/shards/" in name]
    if not stored:
        return 0
    path, how = rng.choice(stored), rng.choice(["cut", "flip", "lose", "swap"])
    content = path.read_bytes()
    if how == "lose":
        path.unlink()
    elif how == "swap":
        path.write_bytes(rng.choice(stored).read_bytes())
    elif how == "cut":
        path.write_bytes(content[: rng.randrange(len(content))])
    else:
        place = rng.randrange(len(content))
        path.write_bytes(content[:place] + bytes([content[place] ^ 1 << rng.randrange(8)]) + content[place + 1 :])
    return 1


def differing(found: dict[str, str], wanted: dict[str, str]) -> str:
    """Names of files that are missing, too many, or of other bytes."""
    return ", ".join(sorted(name for name in found.keys() | wanted.keys() if found.get(name) != wanted.get(name)))


if __name__ == "__main__":
    found = {}
    for verb, moments in (word.split("=") for word in sys.argv[2:]):
        with tempfile.TemporaryDirectory() as folder:
            found[verb] = kill(WORKS[verb](), int(moments), int(sys.argv[1]), Path(folder))
    print(json.dumps(found))
