"""Folders of an object store, as far as runs need them: what `pathlib.Path` does, by way of fsspec.

An object is written by one request and is then whole, or not there; there are no folders, no renaming and no locks. What the
dashboard asks again and again is answered from the last listing for some seconds, and a header is fetched anew only when the
listing shows another one. What this process writes is seen by it at once.
"""

import time
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache, lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec

from morphoquant.core.errors import MissingExtraError, StoreError, UnreachableError
from morphoquant.store.ranges import WHOLE, Ranges

# Seconds that a listing is believed.
FRESH = 2.0
# Small tables that are kept, those read last.
_SMALL = 32
# Stores that hold keys and no folders; elsewhere (SFTP, SMB, HDFS) folders are made before a file is written.
_STORES = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "memory"})
_OPENED_BY = {"s3": "s3fs", "s3a": "s3fs"}


@dataclass(frozen=True)
class _Listing:
    then: float
    infos: dict[str, dict[str, Any]]
    keys: list[str]


def _version(info: dict[str, Any]) -> str:
    return str(sorted((name, str(value)) for name, value in info.items()))


class Objects:
    """What lies below a URL, by keys such as `runs/<run_id>/run.json`.

    Args:
        url: of the folder of runs; what opens it reads its credentials from the environment, as it does everywhere.

    Raises:
        StoreError: fsspec knows no such URL, or it is a chain of several.
        MissingExtraError: s3fs is not installed.
    """

    def __init__(self, url: str):
        self.url, (protocol, _, rest) = url.rstrip("/"), url.partition("://")
        if "::" in url or not rest.strip("/"):
            raise StoreError(f"{url!r} is not the URL of one folder: give one such as s3://bucket/prefix.")
        try:
            self.fs, base = fsspec.url_to_fs(self.url)
        except ImportError as error:
            if protocol in _OPENED_BY:
                raise MissingExtraError(_OPENED_BY[protocol], "remote") from error
            raise StoreError(f"cannot open {url!r}: {error}.") from error
        except ValueError as error:
            raise StoreError(f"cannot open {url!r} ({error}): give a folder, or a URL such as s3://bucket/prefix.") from error
        self._base, self._folders = base.rstrip("/"), protocol not in _STORES
        self._listed: dict[str, _Listing] = {}
        self._kept: dict[str, tuple[str, bytes]] = {}
        # A page reads other columns of the same small tables again and again.
        self._small = lru_cache(_SMALL)(lambda key, version: self.read(key))

    def below(self, prefix: str) -> list[str]:
        """Keys of the objects below `prefix/`, in order, as they were at most `FRESH` seconds ago."""
        keys = self._listing(prefix).keys
        return keys[bisect_left(keys, f"{prefix}/") : bisect_left(keys, f"{prefix}0")]  # 0 is next to /

    def info(self, key: str) -> dict[str, Any] | None:
        """What fsspec says of an object, absent if there is none."""
        return self._listing(str(PurePosixPath(key).parent)).infos.get(key)

    def _listing(self, prefix: str) -> _Listing:
        now = time.monotonic()
        for above in (prefix, *map(str, PurePosixPath(prefix).parents)):
            found = self._listed.get(above)
            if found is not None and now - found.then < FRESH:
                return found
        with self._telling(prefix):
            self.fs.invalidate_cache()
            try:
                infos = self.fs.find(self._path(prefix), detail=True)
            except FileNotFoundError:
                infos = {}
        start = len(self._base) + 1
        infos = {name[start:]: info for name, info in infos.items() if name[start:].startswith(f"{prefix}/")}
        self._listed[prefix] = found = _Listing(now, infos, sorted(infos))
        return found

    def read(self, key: str) -> bytes:
        """A small object as it is now.

        Raises:
            FileNotFoundError: there is none.
        """
        with self._telling(key):
            return self.fs.cat_file(self._path(key), start=0)

    def _existing(self, key: str) -> dict[str, Any]:
        info = self.info(key)
        if info is None:
            raise FileNotFoundError(f"{self.url}/{key}")
        return info

    def kept(self, key: str) -> bytes:
        """A small object as it was listed; fetched once for each of its versions.

        Raises:
            FileNotFoundError: there is none.
        """
        info = self._existing(key)
        version = _version(info)
        if self._kept.get(key, ("",))[0] != version:
            self._kept[key] = version, self.read(key) if info["size"] else b""  # of nothing no range can be asked
        return self._kept[key][1]

    def open(self, key: str) -> Ranges:
        """An object as a file.

        Raises:
            FileNotFoundError: there is none.
        """
        info = self._existing(key)

        def fetch(first: int, end: int) -> bytes:
            if info["size"] <= WHOLE:
                return self._small(key, _version(info))[first:end]
            with self._telling(key):
                return self.fs.cat_file(self._path(key), start=first, end=end)

        return Ranges(fetch, info["size"])

    def put(self, key: str, file: Path) -> None:
        """Sends a file of this machine."""
        with self._writing(key):
            self.fs.put_file(str(file), self._path(key))

    def write(self, key: str, data: bytes) -> None:
        """Writes a small object."""
        with self._writing(key):
            self.fs.pipe_file(self._path(key), data)

    def create(self, key: str, data: bytes) -> bool:
        """Writes a small object if there is none, and says whether it did. Not every store does both at once."""
        try:
            with self._writing(key):
                self.fs.pipe_file(self._path(key), data, mode="create")
        except FileExistsError:
            return False
        except UnreachableError as error:
            # s3fs does not say that it was the condition which failed; two that begin at once may both be sent away.
            if self.info(key) is None and "ConditionalRequest" not in str(error):
                raise
            return False
        return True

    def discard(self, key: str) -> None:
        """Removes one object."""
        with self._writing(key):
            self.fs.rm_file(self._path(key))

    def remove(self, prefix: str) -> None:
        """Removes all below `prefix/`.

        Raises:
            UnreachableError: some are left.
        """
        self._listed.clear()
        if not (keys := self.below(prefix)):
            return
        with self._writing(prefix):
            self.fs.rm([self._path(key) for key in keys])
        if left := self.below(prefix):  # s3fs says nothing of objects that it was not let remove
            raise UnreachableError(f"cannot remove {self.url}/{left[0]}: check who may write there.")

    def _path(self, key: str) -> str:
        return f"{self._base}/{key}"

    @contextmanager
    def _writing(self, key: str) -> Iterator[None]:
        with self._telling(key):
            try:
                if self._folders:
                    self.fs.makedirs(self._path(str(PurePosixPath(key).parent)), exist_ok=True)
                yield
            finally:
                self._listed.clear()

    @contextmanager
    def _telling(self, key: str) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, FileExistsError, StoreError):
            raise
        except Exception as error:
            # No credentials, no connection, no right: each library below fsspec has errors of its own for them.
            reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
            raise UnreachableError(
                f"cannot read or write {self.url}/{key} ({reason}): check the address, the credentials and the connection, and "
                "run the same command again."
            ) from error


@dataclass(frozen=True)
class RemotePath:
    """A place below a URL: of what `pathlib.Path` does that which the run store uses."""

    objects: Objects
    key: str = ""

    def __truediv__(self, part: str) -> "RemotePath":
        return RemotePath(self.objects, f"{self.key}/{part}" if self.key else part)

    def __str__(self) -> str:
        return f"{self.objects.url}/{self.key}" if self.key else self.objects.url

    @property
    def name(self) -> str:
        """Its last part."""
        return str(self).rpartition("/")[2]

    @property
    def parents(self) -> tuple["RemotePath", ...]:
        """Places above it, up to the URL."""
        above = [str(parent) for parent in PurePosixPath(self.key).parents] if self.key else []
        return tuple(RemotePath(self.objects, "" if key == "." else key) for key in above)

    @property
    def parent(self) -> "RemotePath":
        """The place above it."""
        return self.parents[0]

    def is_dir(self) -> bool:
        """Whether objects lie below it."""
        return bool(self.objects.below(self.key))

    def exists(self) -> bool:
        """Whether it is an object, or objects lie below it."""
        return self.objects.info(self.key) is not None or self.is_dir()

    def iterdir(self) -> Iterator["RemotePath"]:
        """Objects in it, and what stands for folders."""
        start = len(self.key) + 1
        names = dict.fromkeys(key[start:].partition("/")[0] for key in self.objects.below(self.key))
        return (self / name for name in names)

    def glob(self, pattern: str) -> Iterator["RemotePath"]:
        """Those of `iterdir` whose names match."""
        return (path for path in self.iterdir() if fnmatch(path.name, pattern))

    def open(self, mode: str = "rb") -> Ranges:
        """The object as a file of bytes to read."""
        return self.objects.open(self.key)

    def read_bytes(self) -> bytes:
        """A small object."""
        return self.objects.kept(self.key)

    def read_text(self, encoding: str = "utf-8") -> str:
        """A small object."""
        return self.read_bytes().decode(encoding)

    def write_text(self, text: str, encoding: str = "utf-8") -> None:
        """Writes a small object."""
        self.write_bytes(text.encode(encoding))

    def write_bytes(self, data: bytes) -> None:
        """Writes a small object."""
        self.objects.write(self.key, data)

    def unlink(self, missing_ok: bool = False) -> None:
        """Removes the object; a store may say nothing of one that is not there."""
        with suppress(*([FileNotFoundError] if missing_ok else [])):
            self.objects.discard(self.key)


@cache
def remote(url: str) -> RemotePath:
    """The place at `url`; one for all who ask, so that they share what was listed."""
    return RemotePath(Objects(url))
