"""Reading while what was read before is worked on."""

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import TypeVar

T = TypeVar("T")
_END = object()


@contextmanager
def ahead(parts: Generator[T], most: int = 2) -> Iterator[Iterator[T]]:
    """`parts`, made in a thread of their own from now on: up to `most` of them wait while the caller works on another one.

    What `parts` raises is raised where its part would have come. Who leaves early waits for the part that is being made.
    """
    with closing(parts), ThreadPoolExecutor(1, thread_name_prefix="morphoquant-ahead") as thread:
        waiting = deque(thread.submit(next, parts, _END) for _ in range(most))

        def made() -> Iterator[T]:
            while (part := waiting.popleft().result()) is not _END:
                waiting.append(thread.submit(next, parts, _END))
                yield part

        try:
            yield made()
        finally:
            thread.shutdown(wait=True, cancel_futures=True)
