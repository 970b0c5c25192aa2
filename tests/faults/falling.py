"""Attempts at a piece of work in processes that are forked from a warm one, so that each begins within milliseconds."""

import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from morphoquant.core.errors import MorphoQuantError

REFUSED = 3
# What changes a folder. Bytes inside a table are written by Arrow, which tells nobody: moments in time fall among those.
_EVENTS = frozenset({"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree"})


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended.

    Attributes:
        code: exit code, or minus the signal.
        said: the sentence of the error that it ended with, or its trace where it is none of ours.
        events: changes to the cache folder that were counted.
        seconds: it took.
    """

    code: int
    said: str
    events: int
    seconds: float

    @property
    def killed(self) -> bool:
        """Whether it was killed."""
        return self.code == -signal.SIGKILL


def attempt(
    act: Callable[[Path], None],
    cache: Path,
    *,
    event: int | None = None,
    seconds: float | None = None,
    before: Callable[[], object] | None = None,
) -> Outcome:
    """Does `act` in a process of its own.

    Args:
        act: the work.
        cache: its folder.
        event: the process kills itself, as kill -9 does, at this change of the folder, counted from 1.
        seconds: it is killed after so long.
        before: called in the process first.
    """
    started = time.monotonic()
    pid, pipe = begin(act, cache, event=event, before=before)
    if seconds is not None:
        while time.monotonic() - started < seconds and not os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            time.sleep(0.001)
        os.kill(pid, signal.SIGKILL)
    return end(pid, pipe, started)


def begin(act: Callable[[Path], None], cache: Path, *, event: int | None = None, before=None) -> tuple[int, int]:
    """Starts an attempt; its process and the pipe that it tells its end through."""
    out, into = os.pipe()
    pid = os.fork()
    if pid:
        os.close(into)
        return pid, out
    code, said, count = 1, "", [0]
    try:
        if before:
            before()
        sys.addaudithook(lambda name, found: _note(name, found, str(cache), count, event))
        act(cache)
        code = 0
    except MorphoQuantError as error:
        code, said = REFUSED, str(error)
    except BaseException:
        import traceback

        said = traceback.format_exc()
    finally:
        os.write(into, f"{count[0]}\n{said}".encode()[:60_000])
        os._exit(code)


def end(pid: int, pipe: int, started: float) -> Outcome:
    """Waits for an attempt."""
    told = b""
    while part := os.read(pipe, 65_536):
        told += part
    os.close(pipe)
    _, state = os.waitpid(pid, 0)
    events, _, said = told.decode(errors="replace").partition("\n")
    return Outcome(os.waitstatus_to_exitcode(state), said, int(events or 0), time.monotonic() - started)


def _note(name: str, found: tuple, cache: str, count: list[int], event: int | None) -> None:
    if name in _EVENTS and str(found[0]).startswith(cache):
        count[0] += 1
        if count[0] == event:
            os.kill(os.getpid(), signal.SIGKILL)
