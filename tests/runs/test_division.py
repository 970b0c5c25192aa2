"""Shards that several processes write: each done once, what a process leaves is taken up, and nothing whole is lost."""

import threading
from contextlib import ExitStack

import pytest
from store.test_run_store import plan, tokens

from morphoquant.core.progress import silent
from morphoquant.runs.division import Division, spans
from morphoquant.store.run_store import RunStore
from morphoquant.store.shards import Shards

TOTAL, MOST = 10, 2
PLANS = [plan(0), plan(1)]
WANTED = {one.run_id: [10 * one.seed + first for first in range(0, TOTAL, MOST)] for one in PLANS}
SEEDS = {one.run_id: one.seed for one in PLANS}


class Worker(threading.Thread):
    """What one process does; at its first shard it waits for whom it is to `meet`, and ends with an error if it `falls`."""

    def __init__(self, cache, falls=False, together=True, meet=None):
        super().__init__()
        self.store, self.falls, self.meet = RunStore(cache), falls, meet
        self.did, self.error, self.led = [], None, False
        self.waiting = threading.Event()
        self.division = Division(self.store, PLANS, spans(TOTAL, MOST), self.shard)
        self.idle = self.division.helping(self.told) if together else self.told

    def told(self, stage, done, total):
        self.waiting.set()

    def shard(self, first, end, run_ids):
        if self.meet and not self.did:
            self.meet.wait(30)
        for run_id in run_ids:
            if self.falls:
                raise RuntimeError("out of memory")
            yield run_id, {"tokens": [tokens(10 * SEEDS[run_id] + first)]}
            self.did.append((run_id, first))

    def run(self):
        try:
            with self.store.unfinished(PLANS, self.idle) as writers:
                self.led = bool(writers)
                self.division.complete(writers, self.told)
                for writer in writers.values():
                    writer.finish({"tokens": writer.shard_tables("tokens")}, {})
        except RuntimeError as error:
            self.error = error


def made(cache):
    return {one.run_id: RunStore(cache).open(one.run_id).frame("tokens")["count"].tolist() for one in PLANS}


def worked(*workers):
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return workers


@pytest.mark.parametrize(("total", "sizes"), [(1, [1]), (32, [32]), (45, [32, 13]), (600, [32] * 18 + [24])])
def test_shards_follow_each_other_and_leave_nothing_out(total, sizes):
    found = spans(total, 32)
    assert [end - first for first, end in found] == sizes
    assert [first for first, _ in found] == [0, *(end for _, end in found[:-1])] and found[-1][1] == total


def test_every_shard_is_done_once_and_the_runs_are_those_of_one_process(tmp_path):
    (alone,) = worked(Worker(tmp_path / "one", together=False))
    meet = threading.Barrier(2)
    both = worked(*(Worker(tmp_path / "both", meet=meet) for _ in range(2)))
    assert made(tmp_path / "one") == made(tmp_path / "both") == WANTED
    assert sorted(one for worker in both for one in worker.did) == sorted(alone.did)
    assert all(worker.did for worker in both) and sum(worker.led for worker in both) == 1
    assert not list(tmp_path.rglob("shards"))


def test_an_error_in_one_process_holds_up_no_other(tmp_path):
    meet = threading.Barrier(2)
    first, second = worked(Worker(tmp_path, falls=True, meet=meet), Worker(tmp_path, meet=meet))
    assert str(first.error) == "out of memory" and second.error is None and made(tmp_path) == WANTED


def test_what_is_whole_counts_wherever_it_stands(tmp_path):
    shards = Shards(RunStore(tmp_path).roots[0] / PLANS[0].run_id)
    with ExitStack() as stack:
        for first in (2, 6):
            hold = shards.take(first)
            stack.callback(hold.release)
            shards.write(first, first + MOST, {"tokens": [tokens(first)]}, hold)
    (tmp_path / "runs" / PLANS[0].run_id / "shards" / "00000006" / "tokens.parquet").write_bytes(b"half")
    (worker,) = worked(Worker(tmp_path))
    assert (PLANS[0].run_id, 2) not in worker.did and (PLANS[0].run_id, 6) in worker.did
    assert made(tmp_path) == WANTED


def test_what_another_holds_is_waited_for_and_taken_up_when_it_lets_go(tmp_path):
    shards = Shards(RunStore(tmp_path).roots[0] / PLANS[0].run_id)
    hold = shards.take(4)
    worker = Worker(tmp_path)
    worker.start()
    assert worker.waiting.wait(10) and not worker.store.finished(PLANS[0])
    assert (PLANS[0].run_id, 8) in worker.did and (PLANS[0].run_id, 4) not in worker.did
    hold.release()
    worker.join()
    assert made(tmp_path) == WANTED


def test_a_finished_run_is_left_alone(tmp_path):
    worked(Worker(tmp_path))
    late = Worker(tmp_path)
    late.idle("waiting", 0, 1)
    assert late.did == [] and not list(tmp_path.rglob("shards"))
    with RunStore(tmp_path).unfinished(PLANS, silent) as writers:
        assert not writers
