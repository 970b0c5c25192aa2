"""The shards of a run folder: tables of some of its batches. Several processes may write them, each those that it holds.

A shard is there when its mark is: a small file, written last, that says which batches the shard is of and what the checksums of
its tables' footers are. A mark that cannot be read is none, so that the shard is done again.
"""

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
from filelock import Timeout

from morphoquant.core.errors import StoreError, UnreachableError
from morphoquant.store.atomic import sweep, write_text
from morphoquant.store.hold import Hold, confirm, lock_of
from morphoquant.store.place import Place
from morphoquant.store.run import check_table, read_parts
from morphoquant.store.table_file import write_table

SHARDS, MARK = "shards", "shard.json"


@dataclass(frozen=True)
class Mark:
    """What a shard is of.

    Attributes:
        first: its first batch.
        end: the batch after its last.
        footers: checksum of the footer of each table, by its path in the run folder.
    """

    first: int
    end: int
    footers: dict[str, str]


class Shards:
    """The shards of one run folder.

    Args:
        folder: the run folder.
    """

    def __init__(self, folder: Place):
        self.folder = folder
        # A lease is found to be forsaken by who has looked at it for a while.
        self._locks: dict[int, Hold] = {}

    def mark(self, first: int) -> Mark | None:
        """The mark of the shard that begins with batch `first`; absent where the shard is not there."""
        try:
            text, _, check = (self.place(first) / MARK).read_text(encoding="utf-8").partition("\n")
            found = Mark(**json.loads(text)) if check == _checksum(text) else None
            return found if found is not None and first == found.first < found.end else None
        except UnreachableError:
            raise
        except (OSError, ValueError, TypeError):
            return None

    def take(self, first: int) -> Hold | None:
        """Takes hold of a shard; absent while another process holds it. Whoever died lets go.

        Raises:
            StoreError: the folder cannot be written.
        """
        folder = self.place(first)
        try:
            lock = self._locks.pop(first, None) or lock_of(folder)
            lock.acquire(timeout=0)
        except Timeout:
            self._locks[first] = lock
            return None
        except OSError as error:
            raise StoreError(f"cannot write {folder}: {error.strerror or error}; choose another folder with --cache.") from error
        sweep(folder)
        return lock

    def write(self, first: int, end: int, tables: Mapping[str, Iterable[pa.Table]], hold: Hold) -> Mark:
        """Stores the mergeable tables of batches [first, end).

        Args:
            first: the first of them.
            end: the one after the last.
            tables: the parts of each, by name.
            hold: of the shard or of the run; nothing is written by who has lost it.

        Returns:
            Its mark.
        """
        footers = {}
        for name, parts in tables.items():
            confirm(hold)
            path = f"{SHARDS}/{first:08d}/{name}.parquet"
            _, footers[path] = write_table(self.folder / path, name, parts)
        confirm(hold)
        mark = Mark(first, end, footers)
        text = json.dumps(asdict(mark))
        write_text(self.place(first) / MARK, f"{text}\n{_checksum(text)}")
        return mark

    def check(self) -> None:
        """Reads all shards but those that a process is at, and takes the marks off those that are damaged or not all there."""
        above = self.folder / SHARDS
        for name in sorted(place.name for place in above.iterdir()) if above.is_dir() else ():
            hold = self.take(int(name)) if name.isdigit() else None
            if hold is None:
                continue
            try:
                mark = self.mark(int(name))
                if mark is not None and not self.reads(mark):
                    (self.place(mark.first) / MARK).unlink(missing_ok=True)
            finally:
                hold.release()

    def reads(self, mark: Mark) -> bool:
        """Whether all tables of a shard can be read whole."""
        try:
            for path, footer in mark.footers.items():
                check_table(self.folder / path, Path(path).stem, footer)
        except UnreachableError:
            raise
        except StoreError:
            return False
        return True

    def parts(self, mark: Mark, name: str) -> Iterator[pa.Table]:
        """The parts of table `name` of a shard, as they were given to `write`.

        Raises:
            StoreError: it was damaged in the meantime.
        """
        path = f"{SHARDS}/{mark.first:08d}/{name}.parquet"
        return read_parts(self.folder / path, name, mark.footers[path])

    def place(self, first: int) -> Place:
        """The folder of the shard that begins with batch `first`."""
        return self.folder / SHARDS / f"{first:08d}"


def _checksum(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"
