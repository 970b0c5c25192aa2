"""Bytes of a good file that were changed, and what may come of reading them."""

import struct
from collections.abc import Callable
from typing import Any

from fixtures.thorough import at_most
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from morphoquant.core.errors import MorphoQuantError

INPUTS = at_most(10_000)
_NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**64 - 1)
_EDITS = st.lists(
    st.tuples(
        st.sampled_from(["flip", "put", "insert", "drop", "cut", "repeat", "number"]),
        st.integers(0, 2**20),
        st.binary(max_size=6),
    ),
    min_size=1,
    max_size=4,
)


def mutations(*contents: bytes) -> st.SearchStrategy[bytes]:
    """Good contents with one to four edits; now and then bytes of no kind."""
    return st.builds(_edited, st.sampled_from(contents), _EDITS) | st.binary(max_size=200)


def _edited(content: bytes, edits: list[tuple[str, int, bytes]]) -> bytes:
    for kind, place, more in edits:
        at, size = place % (len(content) + 1), len(more)
        if kind == "flip" and at < len(content):
            content = content[:at] + bytes([content[at] ^ 1 << place % 8]) + content[at + 1 :]
        elif kind == "put":
            content = content[:at] + more + content[at + size :]
        elif kind == "insert":
            content = content[:at] + more + content[at:]
        elif kind == "drop":
            content = content[:at] + content[at + 1 + size * 3 :]
        elif kind == "cut":
            content = content[:at]
        elif kind == "repeat":
            content = content[:at] + content[max(at - 20 - size, 0) :]
        elif kind == "number":
            number = _NUMBERS[place % len(_NUMBERS)]
            new = struct.pack("<Q", number) if number >= 2**32 else struct.pack("<I", number)
            content = content[:at] + new + content[at + len(new) :]
    return content


def fuzzed(name: str, strategy: st.SearchStrategy, target: Callable[[Any], object], count: int = INPUTS) -> None:
    """Hands `count` inputs to `target`, the same each time, and prints how many of them it refused.

    Raises:
        AssertionError: fewer inputs, or an error whose message is not one sentence.
        Exception: any that is no MorphoQuantError, with the smallest input that leads to it.
    """
    given_, refused = 0, 0

    @settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )
    @given(strategy)
    def one(value: Any) -> None:
        nonlocal given_, refused
        given_ += 1
        try:
            target(value)
        except MorphoQuantError as error:
            refused += 1
            assert str(error).endswith(".") and "\n" not in str(error) and len(str(error)) < 1000, str(error)

    one()
    print(f"{name}: {given_} inputs, {refused} refused in a sentence each, no other error")
    assert given_ >= count and 0 < refused < given_
