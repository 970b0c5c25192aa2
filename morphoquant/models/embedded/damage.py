"""Weights files that do not hold what they should: whatever a reader stumbles over is told in one sentence."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager

from google.protobuf.message import DecodeError
from huggingface_hub.errors import StrictDataclassError

from morphoquant.core.errors import ModelError

# What numpy, torch and the formats' own packages raise over bytes that are not as the format says.
_ODD = (
    ArithmeticError,
    AttributeError,
    DecodeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    StrictDataclassError,
    TypeError,
    ValueError,
    struct.error,
)


@contextmanager
def refused(part: str) -> Iterator[None]:
    """Turns what goes wrong in its block into a ModelError.

    Args:
        part: of the model whose weights are read.
    """
    try:
        yield
    except _ODD as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"[:200].rstrip(". ")
        raise ModelError(f"the {part} weights cannot be read ({reason}): the file is damaged, download it again.") from error
