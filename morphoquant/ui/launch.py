"""Command lines of this package, as argument lists for a job and as text for people. A value is never split or read as an option."""

import shlex
import sys

from morphoquant.core.errors import SpecError
from morphoquant.core.spec import QuantSpec

_PROGRAM = [sys.executable, "-m", "morphoquant"]


def demo_command() -> list[str]:
    """Fetch, capture and quantise the embedded model."""
    return [*_PROGRAM, "demo", "--no-dashboard"]


def shown(argv: list[str] | tuple[str, ...]) -> str:
    """A command line as a person types it: "python" for this interpreter."""
    return shlex.join(["python" if index == 0 and word == sys.executable else word for index, word in enumerate(argv)])
