"""Writing a run folder so that it survives being killed at any moment.

Batches are worked through in shards. The tables of a finished shard are moved into place one by one and the shard is
entered in run.json last; a run that died starts again after its last entered shard. `finish` moves the final tables
into place, writes "finished", and only then removes the shards.
"""

import shutil
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from morphoquant.core.errors import StoreError
from morphoquant.core.plan import RunPlan
from morphoquant.store.atomic import replacing, sweep
from morphoquant.store.header import HEADER_FILE, RunHeader
from morphoquant.store.run import read_table
from morphoquant.store.schema import TABLES

_LOCK = ".lock"


def is_written(folder: Path) -> bool:
    """Whether a process is writing the run now; the system frees the lock of a process that was killed."""
    lock = FileLock(folder / _LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


class RunWriter:
    """The one writer of a run folder; a context manager that marks the run failed when its block raises.

    Args:
        folder: the run folder, made if absent.
        plan: its plan; an unfinished run of the same plan in the folder is resumed.

    Raises:
        StoreError: another process writes this run, or the folder cannot be written.
    """

    def __init__(self, folder: Path, plan: RunPlan):
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(folder / _LOCK)
            self._lock.acquire(timeout=0)
        except Timeout:
            raise StoreError(
                f"run {folder.name!r} is being written by another process: wait for it, or cancel it first."
            ) from None
        except OSError as error:
            raise StoreError(f"cannot write {folder}: {error.strerror}; choose another folder with --cache.") from error
        sweep(folder)
        self.header = self._begin(plan)

    def _begin(self, plan: RunPlan) -> RunHeader:
        header = None
        if (self.folder / HEADER_FILE).exists():
            try:
                header = RunHeader.read(self.folder)
            except StoreError:
                shutil.rmtree(self.folder / "shards", ignore_errors=True)
        if header is None:
            header = RunHeader(plan.run_id, plan, "running", created=_now())
        header = replace(header, status="running", error=None, finished=None)
        header.write(self.folder)
        return header

    @property
    def next_batch(self) -> int:
        """Index of the first batch that no finished shard covers."""
        return self.header.shards[-1][1] if self.header.shards else 0

    def write_shard(self, first: int, end: int, tables: dict[str, Iterable[pa.Table]]) -> None:
        """Stores the mergeable tables of batches [first, end)."""
        if first != self.next_batch or end <= first:
            raise ValueError(f"shard [{first}, {end}) does not follow {self.next_batch}")
        for name, parts in tables.items():
            _write(self._shard(first) / f"{name}.parquet", name, parts)
        self.header = replace(self.header, shards=(*self.header.shards, (first, end)))
        self.header.write(self.folder)

    def shard_tables(self, name: str, where: dict[str, Any] | None = None) -> list[pa.Table]:
        """Table `name` of each finished shard, in order; empty for shards that have none."""
        paths = [self._shard(first) / f"{name}.parquet" for first, _ in self.header.shards]
        return [read_table(path, name, None, where, rows=None) for path in paths if path.exists()]

    def finish(self, tables: dict[str, Iterable[pa.Table]], summary: dict[str, Any]) -> None:
        """Stores the final tables, marks the run finished, then drops the shards."""
        rows = {name: _write(self.folder / f"{name}.parquet", name, parts) for name, parts in tables.items()}
        self.header = replace(self.header, status="finished", finished=_now(), tables=rows, summary=summary)
        self.header.write(self.folder)
        shutil.rmtree(self.folder / "shards", ignore_errors=True)

    def __enter__(self) -> "RunWriter":
        return self

    def __exit__(self, kind, error, trace) -> None:
        try:
            if error is not None and self.header.status == "running":
                sentence = str(error) if str(error) else kind.__name__
                self.header = replace(self.header, status="failed", error=sentence, finished=_now())
                self.header.write(self.folder)
        finally:
            self._lock.release()

    def _shard(self, first: int) -> Path:
        return self.folder / "shards" / f"{first:08d}"


def _write(path: Path, name: str, parts: Iterable[pa.Table]) -> int:
    """Streams `parts` into one Parquet file, a row group each, so that readers of one layer skip the others."""
    schema = TABLES[name]
    keys = [field.name for field in schema if pa.types.is_dictionary(field.type)]
    rows = 0
    with replacing(path) as sibling:
        with pq.ParquetWriter(sibling, schema, compression="zstd", compression_level=1, use_dictionary=keys) as file:
            for part in parts:
                file.write_table(part.select(schema.names).cast(schema), row_group_size=max(part.num_rows, 1))
                rows += part.num_rows
        with pq.ParquetFile(sibling) as check:
            if check.metadata.num_rows != rows:
                raise StoreError(f"{path.name} was not written whole: check the disk and run the same command again.")
    return rows


def _now() -> str:
    # Runs of one command begin within a second, and tables list runs in the order of their beginning.
    return datetime.now(UTC).isoformat(timespec="microseconds")
