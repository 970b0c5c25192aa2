"""Showing progress: a line in the terminal, or a status file that a dashboard reads."""

import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

from morphoquant.core.errors import StoreError
from morphoquant.core.progress import Progress, silent
from morphoquant.store.atomic import write_text

PROGRESS_FILE = "MORPHOQUANT_PROGRESS_FILE"
_INTERVAL = 0.5


class Clock:
    """Time left of a stage, by the mean pace since it began."""

    def __init__(self):
        self.stage: str | None = None
        self.started = 0.0

    def seconds_left(self, stage: str, done: int, total: int) -> float | None:
        """Seconds until `total`, absent while nothing is done or the total is unknown."""
        if stage != self.stage or done == 0:
            self.stage, self.started, self.first = stage, time.monotonic(), done
        elapsed, made = time.monotonic() - self.started, done - self.first
        return elapsed / made * (total - done) if made > 0 and total >= done else None


class TerminalProgress:
    """Writes one line a stage to standard error: rewritten in place on a terminal, a line every few seconds in a log."""

    def __init__(self):
        self.clock = Clock()
        self.terminal = sys.stderr.isatty()
        self.shown = 0.0
        self.stage: str | None = None

    def __call__(self, stage: str, done: int, total: int) -> None:
        left = self.clock.seconds_left(stage, done, total)
        now, ends = time.monotonic(), total > 0 and done >= total
        new, remark = stage != self.stage, not (done or total)  # a sentence that counts nothing
        if remark and not new:
            return
        if not (new or ends) and now - self.shown < (_INTERVAL if self.terminal else 10 * _INTERVAL):
            return
        self.shown, self.stage = now, stage
        share = f": {100 * done / total:3.0f} %" if total else "" if remark else f": {done}"
        text = f"{stage}{share}" + (f", {_duration(left)} left" if left is not None and not ends else "")
        if self.terminal:
            sys.stderr.write(f"\r\x1b[2K{text}" + ("\n" if ends or remark else ""))
        else:
            sys.stderr.write(text + "\n")
        sys.stderr.flush()


class FileProgress:
    """Keeps a JSON status file for the dashboard: stage, done, total, seconds_left, status, error, run_id."""

    def __init__(self, path: Path):
        self.path, self.clock, self.written = path, Clock(), 0.0
        self.state: dict = {"stage": "starting", "done": 0, "total": 0, "seconds_left": None}
        self.end("running")

    def __call__(self, stage: str, done: int, total: int) -> None:
        left = self.clock.seconds_left(stage, done, total)
        fresh = stage != self.state["stage"] or done >= total
        self.state.update(stage=stage, done=done, total=total, seconds_left=left)
        if fresh or time.monotonic() - self.written > _INTERVAL:
            self.end("running")

    def end(self, status: str, error: str | None = None, run_id: str | None = None) -> None:
        """Writes the status: "running", "finished" or "failed"."""
        self.written = time.monotonic()
        # Where nothing can be written the run says so itself; what cannot be shown stops no work.
        with suppress(StoreError):
            write_text(self.path, json.dumps({**self.state, "status": status, "error": error, "run_id": run_id}))


def chosen(speaks: bool = True) -> tuple[Progress, FileProgress | None]:
    """The progress for this process: the terminal's, and the status file's where the environment names one.

    Args:
        speaks: it does for all processes of the command; the others show nothing.
    """
    if not speaks:
        return silent, None
    terminal, path = TerminalProgress(), os.environ.get(PROGRESS_FILE)
    if not path:
        return terminal, None
    file = FileProgress(Path(path))

    def both(stage: str, done: int, total: int) -> None:
        terminal(stage, done, total)
        file(stage, done, total)

    return both, file


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
