"""What is read of a run once: small answers that many queries ask for again and again, kept by the run that gave them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache, wraps
from typing import TypeVar

import pandas as pd

from morphoquant.store.run import Run

T = TypeVar("T")
_RUNS = 64


@dataclass(frozen=True)
class _Read:
    """A run as a key: one that is written anew under its identifier ends at another time, with other footers."""

    folder: str
    finished: str | None
    footers: tuple[tuple[str, str], ...]
    run: Run = field(compare=False)

    @classmethod
    def of(cls, run: Run) -> "_Read":
        return cls(str(run.folder), run.header.finished, tuple(run.header.footers.items()), run)


def once(read: Callable[[Run], T]) -> Callable[[Run], T]:
    """`read` with its answers kept, those of the last 64 runs; an error is not kept. For answers of a few thousand rows.

    A frame is handed out as a copy that shares its values until it is written to, so that no caller changes another's.
    """

    @lru_cache(maxsize=_RUNS)
    def kept(key: _Read) -> T:
        return read(key.run)

    @wraps(read)
    def answer(run: Run) -> T:
        found = kept(_Read.of(run))
        return found.copy(deep=False) if isinstance(found, pd.DataFrame) else found

    return answer
