"""Taking hold of a run folder, so that it has one writer: a lock of the system, or a lease on an object store."""

from pathlib import Path
from typing import Protocol

from filelock import FileLock, Timeout

from morphoquant.core.errors import StoreError
from morphoquant.core.progress import Progress
from morphoquant.store.place import Place

_LOCK = ".lock"
# Who looks whether a run is written holds its lock for a moment.
_PATIENCE = 0.5


class Hold(Protocol):
    """A lock of the system, or a lease."""

    def release(self) -> None:
        """Lets go; once more does nothing."""


def is_written(folder: Place) -> bool:
    """Whether a process is writing the run now; the system frees the lock of a process that was killed, a lease runs out."""
    if not isinstance(folder, Path):
        from morphoquant.store.lease import is_held

        return is_held(folder / _LOCK)
    lock = FileLock(folder / _LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    except OSError:
        return True  # a read-only folder: what the header says is all that is known
    lock.release()
    return False


def is_surely_written(folder: Place) -> bool:
    """`is_written`, where it must be sure: on an object store that takes as long as a lease lives, if there is one."""
    if isinstance(folder, Path):
        return is_written(folder)
    from morphoquant.store.lease import is_renewed

    return is_renewed(folder / _LOCK)


def locked(folder: Place, waiting: Progress | None = None) -> Hold:
    """Takes hold of a run folder, made if absent.

    Args:
        folder: the run folder.
        waiting: told now and then while another process writes the run; absent: that is an error.

    Raises:
        StoreError: another process writes the run, or the folder cannot be written.
    """
    try:
        lock = lock_of(folder)
        while True:
            try:
                lock.acquire(timeout=_PATIENCE)
                return lock
            except Timeout:
                if waiting is None:
                    raise StoreError(
                        f"run {folder.name!r} is being written by another process: wait for it, or cancel it first."
                    ) from None
                waiting(f"waiting for the process that writes {folder.name}", 0, 1)
    except OSError as error:
        raise StoreError(f"cannot write {folder}: {error.strerror or error}; choose another folder with --cache.") from error


def confirm(lock: Hold) -> None:
    """Nothing, if the holder of `lock` holds it still, which for a lock of the system is sure.

    Raises:
        StoreError: another process has taken over.
    """
    if not isinstance(lock, FileLock):
        lock.confirm()


def lock_of(folder: Place):
    """What a folder, made if absent, is held by; nobody holds it yet through this."""
    if isinstance(folder, Path):
        folder.mkdir(parents=True, exist_ok=True)
        return FileLock(folder / _LOCK)
    from morphoquant.store.lease import Lease

    return Lease(folder / _LOCK)
