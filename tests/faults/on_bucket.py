"""Captures into a cache: `python tests/faults/on_bucket.py CACHE [SENT]` prints the stages that it was told of.

With SENT, it kills itself, as kill -9 does, when it has sent so many files to an object store. Leases run out after a second.
"""

import json
import os
import signal
import sys

from faults.works import captures

from morphoquant.store import lease
from morphoquant.store.place import place
from morphoquant.store.remote import Objects


def fall_after(count: int) -> None:
    """Lets this process kill itself when it sends the file after so many."""
    sent, put = [], Objects.put

    def falling(self, key, file):
        if len(sent) == count:
            os.kill(os.getpid(), signal.SIGKILL)
        sent.append(key)
        put(self, key, file)

    Objects.put = falling


if __name__ == "__main__":
    lease.LIFE, lease.BEAT = 1.0, 0.2
    if len(sys.argv) > 2:
        fall_after(int(sys.argv[2]))
    stages = []
    captures().act(place(sys.argv[1]), lambda stage, *_: stages.append(stage))
    print(json.dumps(sorted(set(stages))))
