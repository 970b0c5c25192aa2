"""Nothing is lost: kill -9 at a hundred moments, disks full or read-only, two processes at one run, a clock that jumps."""

import json
import os
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from fixtures.thorough import THOROUGH
from store.test_run_store import plan, tokens

from morphoquant.cli import main
from morphoquant.store import writer as writing
from morphoquant.store.run_store import RunStore

ROOT = Path(__file__).parents[2]
# One thread, and a pool that a forked process can use: what is forked inherits no lock that another thread held.
QUIET = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "NUMBA_THREADING_LAYER": "workqueue", "OMP_WAIT_POLICY": "PASSIVE"}
# A hundred moments of capture, quantize and evaluate together, some of the others; a hundred of each with MORPHOQUANT_THOROUGH=1.
MOMENTS = {"capture": 20, "quantize": 20, "evaluate": 60, "sensitivity": 4, "inspect": 4}
MOMENTS |= {"capture-in-passes": 2, "quantize-in-passes": 6, "blocks-in-passes": 2}
if THOROUGH:
    MOMENTS = dict.fromkeys(MOMENTS, 100)


def told(program: str, *words: str, **environment: str) -> dict:
    """What a program of this folder prints."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "faults" / program), *words],
        env={**os.environ, **QUIET, "PYTHONPATH": path, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=7200 if THOROUGH else 900,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def killed() -> dict:
    """What came of each verb; one process imports torch, and all that are killed are forked from it."""
    return told("kill.py", "6", *(f"{verb}={count}" for verb, count in MOMENTS.items()))


@pytest.mark.slow
@pytest.mark.parametrize("verb", MOMENTS)
def test_killed_at_random_moments_a_run_ends_as_if_it_had_not_been(killed, verb):
    found = killed[verb]
    print(
        f"{verb}: killed at {found['moments']} moments, {found['resumed']} runs resumed, {found['harmed']} of them harmed, "
        f"{found['seconds']} s"
    )
    assert found["wrong"] == []
    assert found["moments"] >= MOMENTS[verb] and found["resumed"] >= MOMENTS[verb] // 3
    assert found["harmed"] > 0 or MOMENTS[verb] < 30


def _can_mount(folder: Path) -> bool:
    try:
        mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], capture_output=True)
    except OSError:
        return False
    return mount.returncode == 0 and subprocess.run(["umount", str(folder)]).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("trial", ["limited", "full", "read_only", "two", "crossed"])
def test_what_is_stopped_says_why_and_goes_on(trial, tmp_path):
    if trial in ("full", "read_only") and not _can_mount(tmp_path):
        pytest.skip("this machine does not let tests mount a file system")
    found = told("stopped.py", trial)
    print(f"{trial}: stopped {found['stops']} times")
    assert found["wrong"] == [] and found["stops"] >= 3


@pytest.mark.slow
def test_the_same_plan_gives_the_same_tables_in_two_processes(tmp_path):
    one, other = (told("again.py", str(tmp_path / seed), PYTHONHASHSEED=seed) for seed in ("1", "2"))
    assert one == other and len(one) > 20


class _Jumping(datetime):
    """A clock that is ten years fast when a run begins and ten years slow when it ends."""

    jumps = 0

    @classmethod
    def now(cls, zone=None):
        cls.jumps += 1
        return datetime.now(zone) + timedelta(days=3650 if cls.jumps % 3 == 1 else -3650)


def test_a_clock_that_jumps_changes_no_number(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(writing, "datetime", _Jumping)
    store = RunStore(tmp_path)
    for seed in range(3):
        with pytest.raises(KeyboardInterrupt), store.writer(plan(seed)) as writer:
            writer.write_shard(0, 1, {"tokens": [tokens(seed)]})
            raise KeyboardInterrupt
        with store.writer(plan(seed)) as writer:
            assert writer.next_batch == 1
            writer.finish({"tokens": writer.shard_tables("tokens")}, {})
        run = store.finished(plan(seed))
        assert run.frame("tokens")["count"].tolist() == [seed]
    assert all(entry.header.finished < entry.header.created for entry in store.entries())
    assert len(store.entries()) == 3 and main(["runs", "--cache", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("finished") == 3
