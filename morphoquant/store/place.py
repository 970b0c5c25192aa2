"""Where runs are: a folder of this machine, or a URL of an object store such as `s3://bucket/prefix`, through fsspec."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Union
from urllib.parse import unquote

from morphoquant.core.errors import StoreError

if TYPE_CHECKING:
    from morphoquant.store.remote import RemotePath

Place = Union[Path, "RemotePath"]
LOCAL = "MORPHOQUANT_LOCAL"
_URL = re.compile(r"[a-z][a-z0-9+.:-]+://")
# What is left of a URL that somebody made a path of; a drive has one letter.
_SQUEEZED = re.compile(r"[a-z][a-z0-9+.-]+:/[^/]")


def is_url(text: str) -> bool:
    """Whether `text` names an object store, and no folder of this machine."""
    return bool(_URL.match(text)) and not text.startswith("file://")


def folder_or_url(text: str) -> Path | str:
    """`text` as the command line means it: a URL as it stands, anything else a path."""
    return text if is_url(text) else Path(unquote(text.removeprefix("file://")) if text.startswith("file://") else text)


def place(where: "Path | str | RemotePath") -> Place:
    """The folder, or what stands for one, at `where`.

    Raises:
        StoreError: a URL that fsspec cannot open, or that was made a path.
        MissingExtraError: the package that opens such URLs is not installed.
    """
    found = folder_or_url(where) if isinstance(where, str) else where
    if isinstance(found, Path) and _SQUEEZED.match(str(found)):
        raise StoreError(f"{str(found)!r} is a URL that was made a path, and this part reads folders alone: give one of them.")
    if isinstance(found, str):
        # Those who look at folders of this machine need no fsspec.
        from morphoquant.store.remote import remote

        return remote(found)
    return found


def local_folder(cache: "Path | str | RemotePath") -> Path:
    """The folder of this machine for what is no run (the embedded model, jobs and their logs): `cache` itself if it is one, else
    $MORPHOQUANT_LOCAL or `cache` in the working folder."""
    found = folder_or_url(cache) if isinstance(cache, str) else cache
    return found if isinstance(found, Path) else Path(os.environ.get(LOCAL) or "cache")
