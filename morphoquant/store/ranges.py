"""An object as a file that can be read at any place, with as few requests as Parquet needs."""

import io
from collections.abc import Callable

# Below this an object is fetched whole at the first read: one request costs as much time as some megabytes.
WHOLE = 4 * 2**20
# Else its end is, where Parquet keeps its footer; the rest comes in the ranges that are asked for.
TAIL = 2**20


class Ranges(io.RawIOBase):
    """A file for reading.

    Args:
        fetch: (first, end) -> the bytes of the object from `first` up to `end`.
        size: of the object, in bytes.
    """

    def __init__(self, fetch: Callable[[int, int], bytes], size: int):
        self._fetch, self._size, self._place = fetch, size, 0
        self._tail_at = 0 if size <= WHOLE else size - TAIL
        self._tail: bytes | None = None

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """The place that the next read begins at."""
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Moves the place to read at."""
        self._place = max(offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence], 0)
        return self._place

    def read(self, size: int | None = -1) -> bytes:
        """The next `size` bytes, or all that are left."""
        first = self._place
        end = self._size if size is None or size < 0 else min(first + size, self._size)
        if first >= end:
            return b""
        self._place = end
        if first < self._tail_at:
            return self._fetch(first, end)
        if self._tail is None:
            self._tail = self._fetch(self._tail_at, self._size)
        return self._tail[first - self._tail_at : end - self._tail_at]
