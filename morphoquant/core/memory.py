"""Sizes of memory as words ("24GB", "512 MiB"), and giving back what is freed."""

import ctypes
import re

from morphoquant.core.errors import SpecError

_FORM = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b\s*", re.IGNORECASE)
_MMAP_THRESHOLD = -3  # its number in malloc.h
_MAPPED = 1 << 20
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def parse_memory(text: str) -> int:
    """Bytes that `text` means; GB and the like are powers of 1000, GiB of 1024.

    Raises:
        SpecError: it is not a size, or none at all.
    """
    found = _FORM.fullmatch(text)
    size = int(float(found[1]) * (1024 if found[3] else 1000) ** _POWERS[found[2].lower()]) if found else 0
    if size < 1:
        raise SpecError(f'cannot read the memory size {text!r}: expected a number with its unit, for example "24GB" or "512MiB".')
    return size


def give_back_what_is_freed() -> bool:
    """Has each freed array of a megabyte or more go back to the system at once, for the rest of the process.

    glibc keeps arrays of up to 32 MB, for each thread: fits of 28 blocks, one at a time, held 1.6 GB of what was long freed.

    Returns:
        Whether the C library can; those that cannot are left as they are.
    """
    try:
        return bool(ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _MAPPED))
    except (AttributeError, OSError, TypeError):
        return False
