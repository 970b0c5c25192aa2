"""Kills processes that share runs: `python tests/faults/together.py VERB ROUNDS SEED` prints what came of it.

In each round three processes begin at once; two of them kill themselves at a random change to the folder, and the third goes on.
"""

import json
import random
import shutil
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from faults.falling import begin, end
from faults.kill import differing
from faults.works import WORKS
from fixtures.run_files import contents

_PROCESSES = 3


def together(verb: str, rounds: int, seed: int, folder: Path) -> dict:
    """Runs the rounds.

    Returns:
        "killed" processes, the "most" of a round's three that changed the folder, and what went wrong, as sentences, in "wrong".
    """
    work, rng, wrong, killed, most = WORKS[verb](), random.Random(seed), [], 0, 0
    act = partial(work.act, together=True)
    template, whole = folder / "template", folder / "whole"
    template.mkdir()
    work.prepare(template)
    shutil.copytree(template, whole)
    work.act(whole)  # here, so that all that is forked is warm
    wanted = contents(whole)
    pid, pipe = begin(work.act, Path(shutil.copytree(template, folder / "calm")))
    calm = end(pid, pipe, time.monotonic())
    for number in range(rounds):
        cache = Path(shutil.copytree(template, folder / f"cache-{number}"))
        falls = [None, *(rng.randint(1, calm.events) for _ in range(_PROCESSES - 1))]
        started = time.monotonic()
        begun = [begin(act, cache, event=event) for event in rng.sample(falls, _PROCESSES)]
        ends = [end(*one, started) for one in begun]
        killed += sum(one.killed for one in ends)
        most = max(most, sum(one.events > 2 or one.killed for one in ends))
        wrong += [f"round {number}, {falls}: ended with {one.code}: {one.said}" for one in ends if one.code and not one.killed]
        if contents(cache) != wanted:
            wrong.append(f"round {number}, {falls}: {differing(contents(cache), wanted)}")
        shutil.rmtree(cache)
    return {"killed": killed, "most": most, "wrong": wrong}


if __name__ == "__main__":
    place = Path(tempfile.mkdtemp())
    try:
        print(json.dumps(together(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), place)))
    finally:
        shutil.rmtree(place)
