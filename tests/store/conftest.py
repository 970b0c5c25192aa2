"""The run store on every kind of place that it promises to work on."""

from collections.abc import Iterator

import pytest
from fixtures.object_store import bucket, folders, fresh

from morphoquant.store.run_store import RunStore

SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("fsspec", "s3")]


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The URL of a bucket on a real S3 server."""
    with bucket() as url:
        yield url


@pytest.fixture(params=["folder", "memory", *SLOW])
def store(request, tmp_path) -> RunStore:
    """An empty store: a folder of this machine, objects in memory, a file system with folders through fsspec, or a bucket."""
    places = {
        "folder": lambda: tmp_path,
        "memory": lambda: fresh("memory://runs"),
        "fsspec": lambda: folders(tmp_path),
        "s3": lambda: fresh(request.getfixturevalue("s3")),
    }
    return RunStore(places[request.param]())


@pytest.fixture
def folder_store(tmp_path) -> RunStore:
    """An empty store in a folder of this machine, for what no object store does."""
    return RunStore(tmp_path)
