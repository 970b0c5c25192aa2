"""Jobs: command lines of this package that run in a process and session of their own, and outlive the page that started them.

A job is a folder `<cache>/jobs/<job_id>/` with

    job.json        argv, pid, created (when its process began, in seconds since the system did), boot, started; those tell a
                    process that got its pid later apart, also where the clock was set meanwhile
    progress.json   written by the child, swapped by os.replace: stage, done, total, seconds_left, status, error, run_id
    log.txt         the child's stdout and stderr
    outcome.json    exit code, or that the user cancelled; written once

Nothing is kept in memory, so any dashboard process can show or cancel any job.
"""

import json
import os
import re
import secrets
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from morphoquant.core.errors import StoreError
from morphoquant.store.atomic import explained
from morphoquant.store.place import LOCAL, is_url

_JOB_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")
_GRACE_SECONDS = 5.0
LOG_TAIL_BYTES = 16_384
# `python -m morphoquant` finds the package from here also where it is not installed.
_IMPORT_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Job:
    """What is known of a job at one moment.

    Attributes:
        job_id: name of its folder.
        argv: command line.
        started: ISO time.
        status: "running", "finished", "failed" or "cancelled".
        stage: short phrase of what it does now.
        done: steps of `stage` that are done.
        total: steps of `stage`, 0 if unknown.
        seconds_left: estimate, absent if unknown.
        error: one sentence, absent unless it failed.
        run_id: the run it writes, absent if not known yet.
    """

    job_id: str
    argv: tuple[str, ...]
    started: str
    status: str
    stage: str = ""
    done: int = 0
    total: int = 0
    seconds_left: float | None = None
    error: str | None = None
    run_id: str | None = None


def start(argv: Sequence[str], cache: Path) -> str:
    """Starts `argv` as a job and returns its identifier.

    Raises:
        StoreError: another job is running, the process cannot be started, or the cache cannot be written.
    """
    busy = [job for job in list_jobs(cache) if job.status == "running"]
    if busy:
        raise StoreError(f"job {busy[0].job_id} is still running: wait for it or cancel it, then start the next one.")
    job_id = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
    folder = cache.resolve() / "jobs" / job_id
    with explained(folder):
        folder.mkdir(parents=True)
    environment = os.environ | {
        "MORPHOQUANT_PROGRESS_FILE": str(folder / "progress.json"),
        LOCAL: str(cache.resolve()),
        "MORPHOQUANT_CACHE": runs if is_url(runs := os.environ.get("MORPHOQUANT_CACHE", "")) else str(cache.resolve()),
        "PYTHONUNBUFFERED": "1",
    }
    try:
        with (folder / "log.txt").open("wb") as log:
            process = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=_IMPORT_ROOT,
                start_new_session=True,
            )
    except OSError as error:
        _swap(folder / "outcome.json", {"code": 127})
        _swap(folder / "progress.json", {"status": "failed", "error": f"cannot start {argv[0]!r}: {error.strerror}."})
        raise StoreError(f"cannot start {argv[0]!r}: {error.strerror}; check that the program exists.") from error
    began = {"created": _created(process.pid), "boot": _boot(), "started": datetime.now(UTC).isoformat()}
    try:
        _swap(folder / "job.json", {"argv": list(argv), "pid": process.pid, **began})
    except StoreError:  # a job that nobody can find is not left running
        process.kill()
        process.wait()
        raise
    # Reaps the child while this process lives; a job whose dashboard is gone is judged by its progress file instead.
    threading.Thread(target=_record_exit, args=(process, folder), daemon=True).start()
    return job_id


def status(job_id: str, cache: Path) -> Job:
    """The state of one job.

    Raises:
        StoreError: no such job.
    """
    folder = _folder(job_id, cache)
    # The process is looked at before its files: what it wrote last is then seen.
    record = _read(folder / "job.json")
    alive = _alive(record)
    if not alive and record and not (folder / "outcome.json").exists():
        _settle(folder)
    progress, outcome = _read(folder / "progress.json"), _read(folder / "outcome.json")
    state, error = _judge(alive, progress, outcome, folder)
    return Job(
        job_id=job_id,
        argv=tuple(record.get("argv", ())),
        started=record.get("started", ""),
        status=state,
        stage=str(progress.get("stage") or ""),
        done=int(progress.get("done") or 0),
        total=int(progress.get("total") or 0),
        seconds_left=progress.get("seconds_left"),
        error=error,
        run_id=progress.get("run_id"),
    )


def cancel(job_id: str, cache: Path) -> None:
    """Ends a running job and all of its processes: asks first, and kills after some seconds. A job that has ended stays as it is.

    Raises:
        StoreError: no such job.
    """
    folder = _folder(job_id, cache)
    record = _read(folder / "job.json")
    if not _alive(record):
        return
    _swap(folder / "outcome.json", {"cancelled": True})
    # The child leads its own session, so its pid is the group's number; helpers it started may outlive its polite end.
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(record["pid"], number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + _GRACE_SECONDS
        while _alive(record) and time.monotonic() < deadline:
            time.sleep(0.05)


def list_jobs(cache: Path) -> list[Job]:
    """All jobs, newest first; folders that are no job are passed over."""
    root = cache.resolve() / "jobs"
    if not root.is_dir():
        return []
    names = sorted((path.name for path in root.iterdir() if _JOB_ID.fullmatch(path.name)), reverse=True)
    return [status(name, cache) for name in names]


def log_tail(job_id: str, cache: Path) -> str:
    """The last part of a job's output; a line redrawn by carriage returns counts once."""
    path = _folder(job_id, cache) / "log.txt"
    if not path.exists():
        return ""
    with path.open("rb") as log:
        log.seek(max(0, path.stat().st_size - LOG_TAIL_BYTES))
        text = log.read().decode(errors="replace")
    return "\n".join(line.rstrip("\r").rsplit("\r", 1)[-1] for line in text.split("\n")).strip()


def _folder(job_id: str, cache: Path) -> Path:
    if not _JOB_ID.fullmatch(job_id):
        raise StoreError(
            f"cannot read job {job_id!r}: a job identifier looks like 20261121-093000-a1b2c3; open one from the New run page."
        )
    folder = cache.resolve() / "jobs" / job_id
    if not folder.is_dir():
        raise StoreError(f"there is no job {job_id!r} in this cache: open one from the New run page.")
    return folder


def _judge(alive: bool, progress: dict, outcome: dict, folder: Path) -> tuple[str, str | None]:
    if alive:
        return "running", None
    if outcome.get("cancelled"):
        return "cancelled", None
    code, said = outcome.get("code"), progress.get("status")
    if code == 0 or (code is None and said == "finished"):
        return "finished", None
    if code is None and said != "failed" and not (folder / "job.json").exists():
        return "running", None  # the folder is a moment old: the process is being started
    return "failed", progress.get(
        "error"
    ) or f"the process ended without a result (exit code {'unknown' if code is None else code}); see its log."


def _record_exit(process: subprocess.Popen, folder: Path) -> None:
    code = process.wait()
    if not (folder / "outcome.json").exists():
        _note(folder, {"code": code})


def _settle(folder: Path) -> None:
    """Gives the thread that reaps a child a moment to write its exit code; then notes that nobody knows it."""
    deadline = time.monotonic() + 0.5
    while time.monotonic() < deadline:
        if (folder / "outcome.json").exists():
            return
        time.sleep(0.02)
    _note(folder, {"code": None})


def _note(folder: Path, outcome: dict) -> None:
    """Writes down how a job ended; where nothing can be written it is found out again whenever somebody looks."""
    with suppress(StoreError):
        _swap(folder / "outcome.json", outcome)


def _created(pid: int) -> float | None:
    """Seconds from the start of the system to that of a process, absent if there is none; both are told in times of the clock."""
    try:
        return psutil.Process(pid).create_time() - psutil.boot_time()
    except psutil.Error:
        return None


def _boot() -> str:
    """What tells one start of the system from another, empty where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _alive(record: dict) -> bool:
    """True if the job's own process runs; another process that got its pid later does not count."""
    if not isinstance(record.get("pid"), int) or record.get("created") is None or record.get("boot") != _boot():
        return False
    created = _created(record["pid"])
    try:
        same = created is not None and abs(created - record["created"]) < 1.0
        return same and psutil.Process(record["pid"]).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _read(path: Path) -> dict:
    """A JSON object, empty if the file is absent or unreadable: a damaged status file must not take the page down."""
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _swap(path: Path, value: dict) -> None:
    new = path.with_suffix(f".{os.getpid()}.{threading.get_ident()}.new")
    with explained(path):
        new.write_text(json.dumps(value))
        os.replace(new, path)
