"""Folders for what is needed while a command runs and never after it."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from morphoquant.core.errors import StoreError

_NAME, _LOCK = "scratch", ".lock"


@contextmanager
def scratch(cache: Path | str) -> Iterator[Path]:
    """A fresh folder below the cache folder, removed at the end; those that killed processes have left go before.

    Raises:
        StoreError: the cache cannot be written.
    """
    parent = Path(cache) / _NAME
    try:
        parent.mkdir(parents=True, exist_ok=True)
        # The system frees the locks of a process that was killed. Nobody looks while a folder is there without its lock.
        with FileLock(parent / _LOCK):
            _sweep(parent)
            folder = Path(tempfile.mkdtemp(dir=parent))
            held = FileLock(folder / _LOCK)
            held.acquire(timeout=0)
    except OSError as error:
        raise StoreError(f"cannot write {parent}: {error.strerror or error}; choose another folder with --cache.") from error
    try:
        yield folder
    finally:
        held.release()
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(parent: Path) -> None:
    """Removes the folders of processes that are no more."""
    for folder in parent.iterdir():
        if not folder.is_dir():
            continue
        lock = FileLock(folder / _LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        lock.release()
        shutil.rmtree(folder, ignore_errors=True)
