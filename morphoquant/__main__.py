"""Entry point of `python -m morphoquant`."""

import sys

from morphoquant.cli import main

if __name__ == "__main__":
    sys.exit(main())
