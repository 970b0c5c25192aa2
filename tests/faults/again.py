"""Does all verbs once: `python tests/faults/again.py CACHE` prints the sha256 of every file of every run."""

import json
import sys
from pathlib import Path

from faults.works import WORKS, contents

if __name__ == "__main__":
    found = {}
    for verb, make in WORKS.items():
        work, cache = make(), Path(sys.argv[1]) / verb
        cache.mkdir(parents=True)
        work.prepare(cache)
        work.act(cache)
        found |= {f"{verb}/{name}": digest for name, digest in contents(cache).items()}
    print(json.dumps(found))
