"""RunStore: the run folders below one cache folder.

`<cache>/runs` holds what was made here; `<cache>/stored` holds runs shipped with the project and is never written to.
"""

import os
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from morphoquant.core.errors import StoreError, UnknownNameError
from morphoquant.core.plan import RunPlan
from morphoquant.core.progress import Progress
from morphoquant.store.atomic import drop, remove
from morphoquant.store.header import RunHeader
from morphoquant.store.hold import is_surely_written, is_written, locked
from morphoquant.store.place import Place, place
from morphoquant.store.run import Run
from morphoquant.store.writer import RunWriter

_RUN_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,120}")
_AT_ONCE = 16


@dataclass(frozen=True)
class RunEntry:
    """One folder of the store: its header, or the sentence that says why it cannot be read."""

    run_id: str
    header: RunHeader | None
    problem: str | None


class RunStore:
    """Finds, opens, makes and removes runs.

    Args:
        cache: the cache folder, or a URL such as `s3://bucket/prefix`; it need not exist.

    Raises:
        StoreError: a URL that cannot be opened.
    """

    def __init__(self, cache: Place | str):
        self.cache = place(cache)
        self.roots = (self.cache / "runs", self.cache / "stored")

    def entries(self) -> list[RunEntry]:
        """All run folders, newest first, damaged ones last."""
        folders = {}
        for root in self.roots:
            for folder in sorted(root.iterdir(), key=str) if root.is_dir() else ():
                if folder.is_dir():
                    folders.setdefault(folder.name, folder)
        entries = _entries(list(folders.values()))

        def age(entry: RunEntry) -> tuple[str, str]:
            return (entry.header.created, entry.header.finished or "") if entry.header else ("", "")

        return sorted(entries, key=age, reverse=True)

    def open(self, run_id: str) -> Run:
        """Opens a run for reading.

        Raises:
            StoreError: the identifier is malformed or the folder is damaged.
            UnknownNameError: no such run.
        """
        folder = self._find(check_run_id(run_id))
        if folder is None:
            raise UnknownNameError("run", run_id, [entry.run_id for entry in self.entries()])
        return Run(folder, RunHeader.read(folder))

    def finished(self, plan: RunPlan) -> Run | None:
        """The finished run of an equal plan made here, absent if there is none; shipped runs are reduced and do not count."""
        folder = self.roots[0] / plan.run_id
        entry = _entry(folder) if folder.is_dir() else None
        return Run(folder, entry.header) if entry and entry.header and entry.header.status == "finished" else None

    def writer(self, plan: RunPlan) -> RunWriter:
        """Starts or resumes the run of `plan`.

        Raises:
            StoreError: another process writes it, or the cache cannot be written.
        """
        return RunWriter(self.roots[0] / plan.run_id, plan)

    @contextmanager
    def unfinished(self, plans: Iterable[RunPlan], waiting: Progress) -> Iterator[dict[str, RunWriter]]:
        """Writers of the runs that are not finished, by run_id in the order of `plans`.

        What another process writes is waited for, and then read or resumed. Runs begin in the order of `plans`, but all
        processes take hold of their folders in one order, so that no two wait for each other.

        Raises:
            StoreError: the cache cannot be written.
        """
        plans = list(plans)
        missing = {plan.run_id: plan for plan in plans if self.finished(plan) is None}
        with ExitStack() as stack:
            for plan in plans:
                if plan.run_id not in missing:  # its process may have been killed before it had dropped the shards
                    drop(self.roots[0] / plan.run_id / "shards")
            locks = {}
            for run_id in sorted(missing):
                locks[run_id] = locked(self.roots[0] / run_id, waiting)
                stack.callback(locks[run_id].release)
            writers = {
                run_id: stack.enter_context(RunWriter(self.roots[0] / run_id, plan, locks[run_id]))
                for run_id, plan in missing.items()
            }
            yield {run_id: writer for run_id, writer in writers.items() if not writer.finished}

    def delete(self, run_id: str) -> None:
        """Removes a run made here, damaged or not.

        Raises:
            StoreError: the run is shipped with the project or is being written, the identifier is malformed, or the cache is
                read-only.
        """
        folder = self.roots[0] / check_run_id(run_id)
        if not folder.is_dir():
            if (self.roots[1] / run_id).is_dir():
                raise StoreError(f"run {run_id!r} is shipped with the project and is not removed: delete its folder by hand.")
            raise UnknownNameError("run", run_id, [entry.run_id for entry in self.entries()])
        try:
            # One that nobody could write is not locked: the folder itself says why it cannot be removed.
            if is_surely_written(folder) and (not isinstance(folder, Path) or os.access(folder, os.W_OK)):
                raise StoreError(f"run {run_id!r} is being written by another process: cancel that first.")
            remove(folder)
        except OSError as error:
            raise StoreError(f"cannot remove {folder}: {error.strerror or error}; check who may write there.") from error

    def _find(self, run_id: str) -> Place | None:
        return next((root / run_id for root in self.roots if (root / run_id).is_dir()), None)


def check_run_id(run_id: str) -> str:
    """Returns `run_id` if it can be the name of a run folder.

    Raises:
        StoreError: it has other characters than a-z, 0-9, "_" and "-" (so never "..", "/" or a drive).
    """
    if not isinstance(run_id, str) or not _RUN_ID.fullmatch(run_id):
        raise StoreError(
            f"{run_id!r} is not a run identifier: allowed are small letters, digits, '_' and '-'; "
            "list those there are with: python -m morphoquant runs."
        )
    return run_id


def _entries(folders: list[Place]) -> list[RunEntry]:
    if all(isinstance(folder, Path) for folder in folders):
        return [_entry(folder) for folder in folders]
    # An object store answers several at once in the time of one.
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        return list(threads.map(_entry, folders))


def _entry(folder: Place) -> RunEntry:
    try:
        header = RunHeader.read(folder)
    except StoreError as error:
        return RunEntry(folder.name, None, str(error))
    if header.status == "running" and not is_written(folder):
        header = replace(header, status="failed", error="its process ended midway: run the same command again, it resumes.")
    return RunEntry(folder.name, header, None)
