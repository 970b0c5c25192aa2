"""Files that are either whole or not there: written to a sibling, then moved into place; or sent to an object store at once."""

import errno
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from morphoquant.core.errors import StoreError
from morphoquant.store.place import Place

TEMPORARY_SUFFIX = ".tmp"


@contextmanager
def replacing(path: Place) -> Iterator[Path]:
    """Yields a temporary file to write to; moves or sends it to `path` if the block succeeds, else removes it.

    Raises:
        StoreError: the disk is full, or the folder or the object store cannot be written to.
    """
    if not isinstance(path, Path):
        with _sending(path) as file:
            yield file
        return
    sibling = path.with_name(f"{path.name}.{secrets.token_hex(4)}{TEMPORARY_SUFFIX}")
    try:
        with explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield sibling
            with sibling.open("rb") as written:
                os.fsync(written.fileno())
            os.replace(sibling, path)
    finally:
        # Where the folder itself cannot be reached there is nothing to remove, and the error above is the one to tell.
        with suppress(OSError):
            sibling.unlink(missing_ok=True)


def write_text(path: Place, text: str) -> None:
    """Writes `text` to `path` in UTF-8, whole or not at all."""
    with replacing(path) as sibling:
        sibling.write_text(text, encoding="utf-8")


def write_bytes(path: Path, data: bytes) -> None:
    """Writes `data` to `path`, whole or not at all."""
    with replacing(path) as sibling:
        sibling.write_bytes(data)


def sweep(folder: Place) -> None:
    """Removes what an interrupted writer left in `folder`. Only the holder of the folder's lock may call it.

    Raises:
        StoreError: the folder cannot be written to.
    """
    if not isinstance(folder, Path):
        return  # what was not sent whole is not there
    with explained(folder):
        for leftover in folder.glob(f"*{TEMPORARY_SUFFIX}"):
            leftover.unlink(missing_ok=True)


def remove(folder: Place) -> None:
    """Removes a folder and all in it.

    Raises:
        OSError: it cannot be removed.
        StoreError: the object store does not let it go.
    """
    if isinstance(folder, Path):
        shutil.rmtree(folder)
    else:
        folder.objects.remove(folder.key)


def drop(folder: Place) -> None:
    """Removes a folder that is of no use any more, as far as it can be removed."""
    if isinstance(folder, Path):
        shutil.rmtree(folder, ignore_errors=True)
    else:
        with suppress(StoreError, OSError):
            remove(folder)


@contextmanager
def _sending(path: Place) -> Iterator[Path]:
    with explained(path), tempfile.TemporaryDirectory(prefix="morphoquant-") as folder:
        file = Path(folder, path.name)
        yield file
        path.objects.put(path.key, file)


@contextmanager
def explained(path: Place) -> Iterator[None]:
    """Turns what the system says against writing `path` into a sentence.

    Raises:
        StoreError: the disk is full, or `path` cannot be written.
    """
    try:
        yield
    except OSError as error:
        raise StoreError(_explain(error, path)) from error


def _explain(error: OSError, path: Place) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full while writing {path.name}: free some space and run the same command again, it resumes."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"cannot write {path}: the folder must be writable, choose another with --cache."
    return f"cannot write {path}: {error.strerror or error}; check the disk and run the same command again, it resumes."
