"""Bytes of a good file that were changed, and what may come of reading them."""

import random
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fixtures.thorough import at_most
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from morphoquant.core.errors import MorphoQuantError

# Inputs a target; those of them that hypothesis draws, which it makes smaller where one fails, and which may be of any structure.
INPUTS = 10_000
GUIDED = at_most(INPUTS)
_NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**64 - 1)
_KINDS = ("flip", "put", "insert", "drop", "cut", "repeat", "number")
_EDITS = st.lists(
    st.tuples(st.sampled_from(_KINDS), st.integers(0, 2**20), st.binary(max_size=6)),
    min_size=1,
    max_size=4,
)


@dataclass(frozen=True)
class Good:
    """A content that is read, of which changed ones are made.

    Attributes:
        content: the bytes.
        form: from changed bytes to what a target takes; absent for the bytes themselves.
    """

    content: bytes
    form: Callable[[bytes], Any] = bytes

    def mutations(self) -> st.SearchStrategy:
        """With one to four edits; now and then bytes of no kind."""
        return (st.builds(_edited, st.just(self.content), _EDITS) | st.binary(max_size=200)).map(self.form)

    def mutated(self, rng: random.Random) -> Any:
        """The same from a random stream, which costs little: nothing is noted of how the input came about."""
        if rng.random() < 0.02:
            return self.form(rng.randbytes(rng.randrange(200)))
        edits = [(rng.choice(_KINDS), rng.randrange(2**20), rng.randbytes(rng.randrange(7))) for _ in range(rng.randint(1, 4))]
        return self.form(_edited(self.content, edits))


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


def fuzzed(name: str, target: Callable[[Any], object], *good: Good, others: st.SearchStrategy | None = None) -> None:
    """Hands ten thousand inputs to `target`, the same each time, and prints how many of them it refused.

    Args:
        name: of the target, for what is printed.
        target: takes an input, or refuses it with an error of ours.
        good: what inputs are made of by changing bytes.
        others: inputs of another structure; hypothesis draws one of these or of those.

    Raises:
        AssertionError: fewer inputs, an error that is none of ours, or one whose message is not one sentence; with the input.
    """
    given_, refused = 0, 0

    def one(value: Any) -> None:
        nonlocal given_, refused
        given_ += 1
        try:
            target(value)
        except MorphoQuantError as error:
            refused += 1
            assert str(error).endswith(".") and "\n" not in str(error) and len(str(error)) < 1000, str(error)

    drawn = st.one_of(*(one_good.mutations() for one_good in good), *([] if others is None else [others]))
    guided = settings(
        max_examples=GUIDED,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )
    guided(given(drawn)(one))()
    rng = random.Random(name)
    for _ in range(INPUTS - given_):
        value = rng.choice(good).mutated(rng)
        try:
            one(value)
        except Exception as error:
            raise AssertionError(f"{name} ends with {error!r} on {value!r:.5000}") from error
    print(f"{name}: {given_} inputs, {refused} refused in a sentence each, no other error")
    assert given_ >= INPUTS and 0 < refused < given_
