"""Hold of a run folder where there are no locks that a system frees: a small object that its holder renews.

It is created only if it is not there. Who waits takes over what was not renewed for `LIFE` seconds of the waiting one's own
clock, so that no two clocks need to agree. A holder that was slept through or cut off finds that out before it writes a header,
and stops. `docs/remote_runs.md` says what that promises.
"""

import json
import os
import secrets
import socket
import threading
import time
from contextlib import suppress

from filelock import Timeout

from morphoquant.core.errors import StoreError, UnreachableError
from morphoquant.store.remote import RemotePath

BEAT = 10.0
LIFE = 60.0
# Seconds between two looks at another's lease.
_LOOK = 1.0
# Seconds in which another who waited too may still remove what it takes for the dead one's.
_SETTLE = 2.0


class Lease:
    """As a lock of `filelock`: `acquire` and `release`, and besides `confirm`.

    Args:
        path: of the object.
    """

    def __init__(self, path: RemotePath):
        self._path = path
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(8)}"
        self._beats = 0
        self._seen: tuple[bytes | None, float] = None, 0.0
        self._renewing: threading.Thread | None = None

    def acquire(self, timeout: float) -> None:
        """Takes hold.

        Raises:
            filelock.Timeout: another holds it after `timeout` seconds.
            UnreachableError: the store does not answer.
        """
        deadline = time.monotonic() + timeout
        while not self._taken():
            left = deadline - time.monotonic()
            if left <= 0:
                raise Timeout(str(self._path))
            time.sleep(min(_LOOK, left))
        self._ended = threading.Event()
        self._renewing = threading.Thread(target=self._renew, name="morphoquant-lease", daemon=True)
        self._renewing.start()

    def confirm(self) -> None:
        """Nothing, if this is the holder still.

        Raises:
            StoreError: another has taken over.
        """
        if not self._is_own(self._read()):
            raise StoreError(
                f"{self._path.parent} was taken over by another process, since this one gave no sign for "
                f"{LIFE:.0f} seconds: run the same command again, it waits for that one or goes on with what is there."
            )

    def release(self) -> None:
        """Lets go, if this is the holder."""
        if self._renewing is None:
            return
        self._ended.set()
        self._renewing.join()
        self._renewing = None
        # A store that does not answer keeps the object, and others take over when its time has passed.
        with suppress(UnreachableError):
            if self._is_own(self._read()):
                self._path.unlink(missing_ok=True)

    def _taken(self) -> bool:
        """Looks once."""
        objects, key = self._path.objects, self._path.key
        found, now = self._read(), time.monotonic()
        if self._is_own(found):
            return True  # the answer to its creation was lost on the way
        if found != self._seen[0]:
            self._seen = found, now
        if found is not None:
            if now - self._seen[1] <= LIFE:
                return False
            if self._read() == found:  # and no other who waited was faster
                self._path.unlink(missing_ok=True)
        if not objects.create(key, self._sign()):
            return False
        if self._seen[0] is not None:
            time.sleep(_SETTLE)
            return self._is_own(self._read())
        return True

    def _renew(self) -> None:
        while not self._ended.wait(BEAT):
            # What fails once is tried again at the next beat, long before anybody takes over.
            with suppress(UnreachableError):
                if not self._is_own(self._read()):
                    return
                self._path.write_bytes(self._sign())

    def _sign(self) -> bytes:
        self._beats += 1
        return json.dumps({"owner": self._owner, "beat": self._beats, "time": time.time()}).encode()

    def _read(self) -> bytes | None:
        return _content(self._path)

    def _is_own(self, content: bytes | None) -> bool:
        return _fields(content).get("owner") == self._owner


def is_renewed(path: RemotePath) -> bool:
    """Whether somebody holds a lease: known when it is renewed, and to nobody when `LIFE` has passed, whatever the clocks say."""
    first, deadline = _content(path), time.monotonic() + LIFE
    while (found := _content(path)) is not None and time.monotonic() < deadline:
        if found != first:
            return True
        time.sleep(_LOOK)
    return False


def is_held(path: RemotePath) -> bool:
    """Whether a lease was renewed of late, by its holder's clock: for showing, and for nothing that must be sure."""
    try:
        renewed = _fields(path.read_bytes()).get("time")
    except FileNotFoundError:
        return False
    return isinstance(renewed, float) and time.time() - renewed < LIFE


def _content(path: RemotePath) -> bytes | None:
    try:
        return path.objects.read(path.key)
    except FileNotFoundError:
        return None


def _fields(content: bytes | None) -> dict:
    try:
        found = json.loads(content or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
