"""Sizes of memory as words: "24GB", "512 MiB"."""

import re

from morphoquant.core.errors import SpecError

_FORM = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b\s*", re.IGNORECASE)
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
