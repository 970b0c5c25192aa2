"""Progress as a plain callable, so that the engine knows neither terminals nor files."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

# Progress(stage, done, total): `stage` is a short phrase, `done` and `total` count the same unit; total 0 is unknown.
Progress = Callable[[str, int, int], None]


def silent(stage: str, done: int, total: int) -> None:
    """The Progress that shows nothing."""


def track(items: Iterable[T], stage: str, total: int, progress: Progress) -> Iterator[T]:
    """Yields `items`, reporting after each."""
    progress(stage, 0, total)
    for done, item in enumerate(items, 1):
        yield item
        progress(stage, done, total)
