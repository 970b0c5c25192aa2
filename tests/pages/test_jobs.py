"""Jobs are real processes here: small Python programs that write the progress file as the command line does."""

import json
import os
import resource
import sys
import time
from pathlib import Path

import psutil
import pytest

from morphoquant.core.errors import StoreError
from morphoquant.ui import jobs

_WORK = """
import json, os, sys, time
path = os.environ["MORPHOQUANT_PROGRESS_FILE"]
def say(**values):
    with open(path + ".new", "w") as file: json.dump(values, file)
    os.replace(path + ".new", path)
"""
_LONG = (
    _WORK
    + "say(stage='capturing', done=3, total=12, seconds_left=40.0, status='running'); print('batch', flush=True); time.sleep(60)"
)
_SHORT = _WORK + "print('a\\rb\\rdone'); say(stage='end', done=2, total=2, status='finished', run_id='capture-0123456789ab')"
_FAILING = _WORK + "say(status='failed', error='the model has no Linear: choose another.'); sys.exit(2)"


def _until(condition, seconds: float = 10.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError("did not happen in time")


def _ended(job_id: str, cache: Path) -> jobs.Job:
    return _until(lambda: (job := jobs.status(job_id, cache)).status != "running" and job)


def test_a_job_runs_reports_and_finishes(tmp_path):
    job_id = jobs.start([sys.executable, "-c", _SHORT], tmp_path)
    job = _ended(job_id, tmp_path)
    assert (job.status, job.run_id, job.done, job.total) == ("finished", "capture-0123456789ab", 2, 2)
    assert jobs.log_tail(job_id, tmp_path) == "done"
    assert [job.job_id for job in jobs.list_jobs(tmp_path)] == [job_id]


def test_progress_is_seen_while_it_runs_and_cancel_ends_the_whole_group(tmp_path):
    child = (
        "import subprocess, sys; print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).pid, flush=True)\n"
    )
    job_id = jobs.start([sys.executable, "-c", child + _LONG], tmp_path)
    job = _until(lambda: (job := jobs.status(job_id, tmp_path)).stage and job)
    assert (job.status, job.stage, job.done, job.total, job.seconds_left) == ("running", "capturing", 3, 12, 40.0)
    grandchild = int(_until(lambda: jobs.log_tail(job_id, tmp_path)).split()[0])
    started = time.monotonic()
    jobs.cancel(job_id, tmp_path)
    assert time.monotonic() - started < 5
    assert jobs.status(job_id, tmp_path).status == "cancelled"
    _until(lambda: not _runs(grandchild))


def test_a_job_has_a_session_of_its_own(tmp_path):
    job_id = jobs.start([sys.executable, "-c", _LONG], tmp_path)
    pid = json.loads((tmp_path / "jobs" / job_id / "job.json").read_text())["pid"]
    assert os.getsid(pid) == pid != os.getsid(0)
    jobs.cancel(job_id, tmp_path)


def test_a_failed_job_keeps_its_sentence(tmp_path):
    job = _ended(jobs.start([sys.executable, "-c", _FAILING], tmp_path), tmp_path)
    assert (job.status, job.error) == ("failed", "the model has no Linear: choose another.")


def test_a_job_that_dies_silently_says_so_with_its_exit_code(tmp_path):
    job = _ended(jobs.start([sys.executable, "-c", "import os; os._exit(7)"], tmp_path), tmp_path)
    assert job.status == "failed" and "exit code 7" in job.error


def test_only_one_job_at_a_time(tmp_path):
    job_id = jobs.start([sys.executable, "-c", _LONG], tmp_path)
    with pytest.raises(StoreError, match="still running"):
        jobs.start([sys.executable, "-c", _SHORT], tmp_path)
    jobs.cancel(job_id, tmp_path)


def test_a_program_that_does_not_exist_is_one_sentence_and_a_failed_job(tmp_path):
    with pytest.raises(StoreError, match="cannot start"):
        jobs.start([str(tmp_path / "no-such-program")], tmp_path)
    assert jobs.list_jobs(tmp_path)[0].status == "failed"


def test_where_nothing_can_be_written_no_job_is_left_running(tmp_path):
    (tmp_path / "jobs").write_text("in the way")
    with pytest.raises(StoreError, match="cannot write"):
        jobs.start([sys.executable, "-c", _LONG], tmp_path)
    (tmp_path / "jobs").unlink()
    before, most = set(psutil.Process().children()), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, most[1]))  # files can be made, and take nothing
    try:
        with pytest.raises(StoreError, match="cannot write"):
            jobs.start([sys.executable, "-c", _LONG], tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, most)
    assert set(psutil.Process().children()) <= before


def test_a_reused_pid_is_not_the_job_and_is_never_killed(tmp_path):
    job_id = jobs.start([sys.executable, "-c", _SHORT], tmp_path)
    _ended(job_id, tmp_path)
    folder = tmp_path / "jobs" / job_id
    record = json.loads((folder / "job.json").read_text())
    # This very process stands in for a stranger that got the pid.
    (folder / "job.json").write_text(json.dumps(record | {"pid": os.getpid(), "created": record["created"] - 1000}))
    (folder / "outcome.json").unlink()
    assert jobs.status(job_id, tmp_path).status == "finished"
    jobs.cancel(job_id, tmp_path)
    assert jobs.status(job_id, tmp_path).status == "finished"


def test_a_clock_that_is_set_does_not_end_a_job(tmp_path, monkeypatch):
    job_id = jobs.start([sys.executable, "-c", _LONG], tmp_path)
    # A clock that is set changes when the system says that it and all processes began.
    began, created = jobs.psutil.boot_time(), jobs.psutil.Process.create_time
    monkeypatch.setattr(jobs.psutil, "boot_time", lambda: began + 3600)
    monkeypatch.setattr(jobs.psutil.Process, "create_time", lambda process: created(process) + 3600)
    assert jobs.status(job_id, tmp_path).status == "running"
    record = tmp_path / "jobs" / job_id / "job.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"boot": "another"}))
    assert jobs.status(job_id, tmp_path).status != "running", "the system was started anew, and its pid is somebody else's"
    monkeypatch.undo()
    record.write_text(json.dumps(json.loads(record.read_text()) | {"boot": jobs._boot()}))
    (record.parent / "outcome.json").unlink(missing_ok=True)
    jobs.cancel(job_id, tmp_path)
    assert jobs.status(job_id, tmp_path).status == "cancelled"


def test_a_job_whose_process_and_result_are_gone_is_failed(tmp_path):
    job_id = jobs.start([sys.executable, "-c", "pass"], tmp_path)
    _ended(job_id, tmp_path)
    (tmp_path / "jobs" / job_id / "outcome.json").unlink()
    assert "without a result" in jobs.status(job_id, tmp_path).error


@pytest.mark.parametrize("name", ["..", "../runs", "20261121-093000-a1b2c3/..", "", "20261121-093000-A1B2C3"])
def test_an_identifier_that_is_none_is_refused(tmp_path, name):
    for act in (jobs.status, jobs.cancel, jobs.log_tail):
        with pytest.raises(StoreError, match="cannot read job"):
            act(name, tmp_path)


def test_a_damaged_progress_file_does_not_hide_the_job(tmp_path):
    job_id = jobs.start([sys.executable, "-c", _SHORT], tmp_path)
    _ended(job_id, tmp_path)
    (tmp_path / "jobs" / job_id / "progress.json").write_text('{"stage": ')
    assert jobs.status(job_id, tmp_path).status == "finished"


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
