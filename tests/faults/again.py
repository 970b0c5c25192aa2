"""Does all verbs once, and every method: `python tests/faults/again.py CACHE` prints the sha256 of each file of their runs."""

import json
import sys
from pathlib import Path

from faults.works import REPEATED, contents

if __name__ == "__main__":
    found = {}
    for verb, make in REPEATED.items():
        work, cache = make(), Path(sys.argv[1]) / verb
        cache.mkdir(parents=True)
        work.prepare(cache)
        work.act(cache)
        found |= {f"{verb}/{name}": digest for name, digest in contents(cache).items()}
    print(json.dumps(found))
