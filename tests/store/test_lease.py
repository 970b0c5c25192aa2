"""Two writers of one run where no system frees the locks of the dead."""

import json
import threading
import time
from contextlib import suppress

import pytest
from filelock import Timeout
from fixtures.object_store import fresh
from store.test_run_store import plan, tokens

from morphoquant.core.errors import StoreError
from morphoquant.core.progress import silent
from morphoquant.store import lease
from morphoquant.store.lease import Lease, is_held, is_renewed
from morphoquant.store.place import place
from morphoquant.store.run_store import RunStore


@pytest.fixture
def quick(monkeypatch):
    """Leases that run out in a third of a second."""
    monkeypatch.setattr(lease, "BEAT", 0.05)
    monkeypatch.setattr(lease, "LIFE", 0.3)
    monkeypatch.setattr(lease, "_LOOK", 0.02)
    monkeypatch.setattr(lease, "_SETTLE", 0.1)


@pytest.fixture
def path():
    """A place for a lease."""
    return place(fresh("memory://leases")) / "runs" / "run-1" / ".lock"


def die(held: Lease) -> None:
    """What kill -9 leaves of a holder: the object, and nobody who renews it."""
    held._ended.set()
    held._renewing.join()


def test_a_holder_that_is_alive_keeps_its_lease(quick, path):
    first, second = Lease(path), Lease(path)
    first.acquire(0)
    with pytest.raises(Timeout):
        second.acquire(0.6)  # two lives
    assert is_held(path)
    first.confirm()
    first.release()
    assert not is_held(path)
    second.acquire(0)
    first.release()  # once more, and it is another's
    second.confirm()
    second.release()


def test_who_takes_over_from_the_dead_waits_one_life_whatever_the_clocks_say(quick, path):
    first, second = Lease(path), Lease(path)
    first.acquire(0)
    die(first)
    path.write_bytes(json.dumps({"owner": first._owner, "beat": 9, "time": time.time() - 1e6}).encode())
    begun = time.monotonic()
    with pytest.raises(Timeout):
        second.acquire(0.1)
    second.acquire(5)
    assert 0.3 <= time.monotonic() - begun < 2
    with pytest.raises(StoreError, match="taken over"):
        first.confirm()
    first.release()
    second.confirm()
    second.release()


def test_of_two_who_wait_for_the_dead_one_holds(quick, path):
    """The slower one looks, the faster one takes over, and the slower one removes what it takes for the dead one's."""
    dead, faster, slower = Lease(path), Lease(path), Lease(path)
    dead.acquire(0)
    die(dead)
    assert not faster._taken() and not slower._taken()
    time.sleep(0.35)
    looks, holding = [], []

    def hurry() -> None:
        with suppress(Timeout):
            faster.acquire(0.8)
            holding.append(faster)

    thread = threading.Thread(target=hurry)

    def look() -> bytes | None:
        looks.append(found := Lease._read(faster))
        if len(looks) == 2:
            thread.start()
            while not faster._is_own(Lease._read(faster)):
                time.sleep(0.01)
        return found

    slower._read = look
    slower.acquire(5)
    thread.join()
    assert looks[0] == looks[1] and not holding
    slower.confirm()
    slower.release()


def test_whether_somebody_holds_a_lease_is_seen_by_its_signs_and_by_no_clock(quick, path):
    assert not is_renewed(path)
    held = Lease(path)
    held.acquire(0)
    assert is_renewed(path)
    die(held)
    path.write_bytes(json.dumps({"owner": held._owner, "beat": 9, "time": time.time() + 1e6}).encode())
    assert is_held(path) and not is_renewed(path)


def test_of_many_who_begin_at_once_one_holds(path):
    held, leases = [], [Lease(path) for _ in range(8)]

    def take(one: Lease) -> None:
        try:
            one.acquire(0)
        except Timeout:
            return
        held.append(one)

    threads = [threading.Thread(target=take, args=(one,)) for one in leases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(confirms(one) for one in held) == 1
    for one in held:
        one.release()


def confirms(one: Lease) -> bool:
    try:
        one.confirm()
    except StoreError:
        return False
    return True


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"owner": 3}'])
def test_what_is_no_lease_runs_out_too(quick, path, content):
    path.write_bytes(content)
    held = Lease(path)
    held.acquire(5)
    held.confirm()
    held.release()


def test_a_writer_that_was_taken_over_writes_no_more(quick):
    store = RunStore(fresh("memory://leases"))
    slow = store.writer(plan())
    slow.write_shard(0, 1, {"tokens": [tokens(1)]})
    die(slow._lock)
    with store.unfinished([plan()], silent) as writers:
        (writer,) = writers.values()
        assert writer.next_batch == 1
        writer.write_shard(1, 2, {"tokens": [tokens(2)]})
        with pytest.raises(StoreError, match="taken over"), slow:
            slow.write_shard(1, 2, {"tokens": [tokens(9)]})
        assert store.entries()[0].header.status == "running", "the one that lost marks nothing failed"
        writer.finish({"tokens": writer.shard_tables("tokens")}, {})
    assert store.finished(plan()).frame("tokens")["count"].tolist() == [1, 2]
    with store.unfinished([plan()], silent) as writers:
        assert writers == {}
