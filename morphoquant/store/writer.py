"""Writing a run folder so that it survives being killed at any moment.

Batches are worked through in shards. The tables of a finished shard are moved into place one by one and its mark last; the shard
is entered in run.json when all before it are. A run that died keeps its whole shards. `finish` moves the final tables into
place, writes "finished", and only then removes the shards.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from morphoquant.core.errors import StoreError, UnreachableError
from morphoquant.core.plan import RunPlan
from morphoquant.store.aside import Aside
from morphoquant.store.atomic import drop, sweep
from morphoquant.store.header import HEADER_FILE, RunHeader
from morphoquant.store.hold import Hold, confirm, locked
from morphoquant.store.place import Place
from morphoquant.store.run import Asked, read_table
from morphoquant.store.shards import SHARDS, Shards
from morphoquant.store.table_file import write_table


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
        self._shards = Shards(folder)
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
                drop(self.folder / SHARDS)
        if header is None:
            header = RunHeader(plan.run_id, plan, "running", created=_now())
        if header.status == "finished":
            drop(self.folder / SHARDS)  # the process that finished it may have been killed before that
            return header
        self._shards.check()
        return self._enter(self._followed(replace(header, status="running", error=None, finished=None, shards=(), footers={})))

    def _part(self, file: str, name: str, parts: Iterable[pa.Table]) -> tuple[int, str]:
        """Writes one table of the run, if nobody has taken over in the meantime."""
        confirm(self._lock)
        return write_table(self.folder / file, name, parts)

    def _enter(self, header: RunHeader) -> RunHeader:
        """Writes the header, if nobody has taken over in the meantime."""
        confirm(self._lock)
        header.write(self.folder)
        return header

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
        if self.finished or first < self.next_batch or end <= first:
            raise ValueError(f"shard [{first}, {end}) does not follow {self.next_batch}")
        self._shards.write(first, end, tables, self._lock)
        self.enter()

    def enter(self) -> None:
        """Enters the shards that follow those entered, whoever wrote them."""
        header = self._followed(self.header)
        if header is not self.header:
            self.header = self._enter(header)

    def _followed(self, header: RunHeader) -> RunHeader:
        while mark := self._shards.mark(header.shards[-1][1] if header.shards else 0):
            shards, footers = (*header.shards, (mark.first, mark.end)), {**header.footers, **mark.footers}
            header = replace(header, shards=shards, footers=footers)
        return header

    def shard_tables(self, name: str, where: dict[str, Any] | None = None) -> list[pa.Table]:
        """Table `name` of each finished shard, in order; empty for shards that have none."""
        paths = [f"{SHARDS}/{first:08d}/{name}.parquet" for first, _ in self.header.shards]
        footers = self.header.footers
        there = [path for path in paths if path in footers or (self.folder / path).exists()]
        return [read_table(Asked(self.folder / path, name, where=where, footer=footers.get(path))) for path in there]

    def aside(self, kind: str) -> Aside:
        """What is set aside on the way to shards, by its kind; it goes with them."""
        return Aside(self.folder / SHARDS / kind, self._lock)

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
        drop(self.folder / SHARDS)

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


def _now() -> str:
    # Runs of one command begin within a second, and tables list runs in the order of their beginning.
    return datetime.now(UTC).isoformat(timespec="microseconds")
