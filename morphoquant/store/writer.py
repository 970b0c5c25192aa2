"""Writing a run folder so that it survives being killed at any moment.

Batches are worked through in shards. The tables of a finished shard are moved into place one by one and the shard is
entered in run.json last; a run that died starts again after its last entered shard. `finish` moves the final tables
into place, writes "finished", and only then removes the shards.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from morphoquant.core.errors import StoreError, UnreachableError
from morphoquant.core.plan import RunPlan
from morphoquant.store.atomic import drop, replacing, sweep
from morphoquant.store.header import HEADER_FILE, RunHeader
from morphoquant.store.hold import Hold, confirm, locked
from morphoquant.store.place import Place
from morphoquant.store.run import check_table, footer_checksum, read_table
from morphoquant.store.schema import TABLES


class RunWriter:
    """The one writer of a run folder; a context manager that marks the run failed when its block raises.

    Args:
        folder: the run folder, made if absent.
        plan: its plan; an unfinished run of the same plan in the folder is resumed, a finished one is left as it is.
        lock: the folder's, if the caller has taken hold of it.

    Raises:
        StoreError: another process writes this run, or the folder cannot be written.
    """

    def __init__(self, folder: Place, plan: RunPlan, lock: Hold | None = None):
        self.folder = folder
        self._lock = lock or locked(folder)
        try:
            sweep(folder)
            self.header = self._begin(plan)
        except BaseException:
            self._lock.release()
            raise

    def _begin(self, plan: RunPlan) -> RunHeader:
        header = None
        if (self.folder / HEADER_FILE).exists():
            try:
                header = RunHeader.read(self.folder)
            except UnreachableError:
                raise
            except StoreError:
                drop(self.folder / "shards")
        if header is None:
            header = RunHeader(plan.run_id, plan, "running", created=_now())
        if header.status != "finished":
            header = self._enter(replace(self._whole(header), status="running", error=None, finished=None))
        return header

    def _part(self, file: str, name: str, parts: Iterable[pa.Table]) -> tuple[int, str]:
        """Writes one table of the run, if nobody has taken over in the meantime."""
        confirm(self._lock)
        return _write(self.folder / file, name, parts)

    def _enter(self, header: RunHeader) -> RunHeader:
        """Writes the header, if nobody has taken over in the meantime."""
        confirm(self._lock)
        header.write(self.folder)
        return header

    def _whole(self, header: RunHeader) -> RunHeader:
        """The header with the shards before the first that is damaged or not all there: from that one on all is done again."""
        kept = list(takewhile(lambda shard: self._reads(header, shard[0]), header.shards))
        names = tuple(f"{self._name(first)}/" for first, _ in kept)
        footers = {path: check for path, check in header.footers.items() if path.startswith(names)}
        return replace(header, shards=tuple(kept), footers=footers)

    def _reads(self, header: RunHeader, first: int) -> bool:
        found = {f"{self._name(first)}/{path.name}" for path in self._shard(first).glob("*.parquet")}
        listed = {path for path in header.footers if path.startswith(f"{self._name(first)}/")}
        try:
            for path in sorted(found | listed):
                check_table(self.folder / path, Path(path).stem, header.footers.get(path))
        except UnreachableError:
            raise
        except StoreError:
            return False
        return bool(found)

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to do: another process finished the run while this one waited."""
        return self.header.status == "finished"

    @property
    def next_batch(self) -> int:
        """Index of the first batch that no finished shard covers."""
        return self.header.shards[-1][1] if self.header.shards else 0

    def write_shard(self, first: int, end: int, tables: dict[str, Iterable[pa.Table]]) -> None:
        """Stores the mergeable tables of batches [first, end)."""
        if self.finished or first != self.next_batch or end <= first:
            raise ValueError(f"shard [{first}, {end}) does not follow {self.next_batch}")
        footers = dict(self.header.footers)
        for name, parts in tables.items():
            path = f"{self._name(first)}/{name}.parquet"
            _, footers[path] = self._part(path, name, parts)
        self.header = self._enter(replace(self.header, shards=(*self.header.shards, (first, end)), footers=footers))

    def shard_tables(self, name: str, where: dict[str, Any] | None = None) -> list[pa.Table]:
        """Table `name` of each finished shard, in order; empty for shards that have none."""
        paths = [f"{self._name(first)}/{name}.parquet" for first, _ in self.header.shards]
        footers = self.header.footers
        there = [path for path in paths if path in footers or (self.folder / path).exists()]
        return [read_table(self.folder / path, name, None, where, footer=footers.get(path)) for path in there]

    def finish(self, tables: dict[str, Iterable[pa.Table]], summary: dict[str, Any]) -> None:
        """Stores the final tables, marks the run finished, then drops the shards."""
        if self.finished:
            raise ValueError(f"run {self.folder.name!r} is finished already")
        rows, footers = {}, {}
        for name, parts in tables.items():
            file = f"{name}.parquet"
            rows[name], footers[file] = self._part(file, name, parts)
        ends = {"status": "finished", "finished": _now(), "tables": rows, "footers": footers, "summary": summary}
        self.header = self._enter(replace(self.header, **ends))
        drop(self.folder / "shards")

    def __enter__(self) -> "RunWriter":
        return self

    def __exit__(self, kind, error, trace) -> None:
        try:
            if error is not None and self.header.status == "running":
                sentence = str(error) if str(error) else kind.__name__
                self.header = replace(self.header, status="failed", error=sentence, finished=_now())
                # Where the disk takes nothing more, the error that ended the block is the one to tell.
                with suppress(StoreError):
                    self._enter(self.header)
        finally:
            self._lock.release()

    @staticmethod
    def _name(first: int) -> str:
        return f"shards/{first:08d}"

    def _shard(self, first: int) -> Place:
        return self.folder / self._name(first)


def _write(path: Place, name: str, parts: Iterable[pa.Table]) -> tuple[int, str]:
    """Streams `parts` into one Parquet file, a row group each, so that readers of one layer skip the others.

    Returns:
        Its rows, and the checksum of its footer.
    """
    schema = TABLES[name]
    keys = [field.name for field in schema if pa.types.is_dictionary(field.type)]
    rows = 0
    with replacing(path) as sibling:
        options = {"compression": "zstd", "compression_level": 1, "use_dictionary": keys, "write_page_checksum": True}
        with pq.ParquetWriter(sibling, schema, **options) as file:
            for part in parts:
                file.write_table(part.select(schema.names).cast(schema), row_group_size=max(part.num_rows, 1))
                rows += part.num_rows
        with pq.ParquetFile(sibling) as check:
            if check.metadata.num_rows != rows:
                raise StoreError(f"{path.name} was not written whole: check the disk and run the same command again.")
        footer = footer_checksum(sibling)
    return rows, footer


def _now() -> str:
    # Runs of one command begin within a second, and tables list runs in the order of their beginning.
    return datetime.now(UTC).isoformat(timespec="microseconds")
