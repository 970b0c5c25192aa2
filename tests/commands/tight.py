"""The command line with little room, whatever --memory says, and leases that run out soon: `python tests/commands/tight.py VERB`.

The libraries alone take more than any budget that would leave a small model little room.
"""

import sys

from morphoquant.cli import main
from morphoquant.runs import capture, quantize
from morphoquant.store import lease

# Statistics of a few inputs of a small model, and quantised weights of some of its blocks.
ROOM = 300_000

if __name__ == "__main__":
    lease.LIFE, lease.BEAT = 15.0, 2.0
    capture.room = quantize.room = lambda memory, model: ROOM
    sys.exit(main(sys.argv[1:]))
