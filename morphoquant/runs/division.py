"""Dividing the shards of runs among processes, on one machine or several, that share a cache folder and nothing else.

Every process goes through the shards in order and does those that are not there and that nobody holds. One process holds the runs
themselves; it alone puts shards together, always in their order, when all are there. The others help it while they wait for it.
What a process that died was at is free again, and another takes it up. No process needs to know how many there are: which of them
did a shard, and when, changes nothing in it, so that any number of processes makes the run that one makes.
"""

import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing

import pyarrow as pa

from morphoquant.core.plan import RunPlan
from morphoquant.core.progress import Progress
from morphoquant.store.hold import Hold
from morphoquant.store.run_store import RunStore
from morphoquant.store.shards import Shards
from morphoquant.store.writer import RunWriter

Span = tuple[int, int]
# Does the batches [first, end) for some of the runs, and gives each run's tables of them as soon as they are there.
Shard = tuple[str, Mapping[str, Iterable[pa.Table]]]
Act = Callable[[int, int, list[str]], Generator[Shard, None, None]]

_PAUSE = 0.2


def spans(total: int, size: int) -> list[Span]:
    """[first, end) of each shard of `total` batches, `size` in each but the last.

    Sums are added shard by shard, so that the shards may not depend on the number of processes.
    """
    return [(first, min(first + size, total)) for first in range(0, total, size)]


class Division:
    """Shards of runs that are made of the same batches.

    Args:
        store: where the runs are.
        plans: of the runs.
        cut: [first, end) of each shard, as `spans` gives it.
        act: does a shard.
    """

    def __init__(self, store: RunStore, plans: Sequence[RunPlan], cut: Sequence[Span], act: Act):
        self._store, self._cut, self._act = store, cut, act
        self._plans = {plan.run_id: plan for plan in plans}
        self._shards = {run_id: Shards(store.roots[0] / run_id) for run_id in self._plans}

    def helping(self, progress: Progress) -> Progress:
        """What a process does that waits for the one which holds the runs: it does shards, and tells how it waits."""

        def waiting(stage: str, done: int, total: int) -> None:
            progress(stage, done, total)
            self._work({})

        return waiting

    def complete(self, writers: Mapping[str, RunWriter], progress: Progress, cut: Sequence[Span] | None = None) -> None:
        """Sees to it that all shards are there, and enters them in their runs.

        Args:
            writers: of the runs that are not finished, by run_id.
            progress: told where others have to be waited for.
            cut: the shards that are wanted; absent for all.
        """
        cut = self._cut if cut is None else cut
        while any(writer.next_batch < end for writer in writers.values() for _, end in cut[-1:]):
            if not self._work(writers, cut):
                progress("waiting for the other processes", 0, 0)
                time.sleep(_PAUSE)
            for writer in writers.values():
                writer.enter()

    def _work(self, writers: Mapping[str, RunWriter], cut: Sequence[Span] | None = None) -> bool:
        """Goes through the shards once, and says whether it did any."""
        worked = False
        for first, end in self._cut if cut is None else cut:
            with ExitStack() as stack:
                holds = self._take(stack, first, end)
                if not holds:
                    continue
                for run_id, tables in stack.enter_context(closing(self._act(first, end, [*holds]))):
                    if run_id in writers:
                        writers[run_id].write_shard(first, end, tables)
                    else:
                        self._shards[run_id].write(first, end, tables, holds[run_id])
                worked = True
        return worked

    def _take(self, stack: ExitStack, first: int, end: int) -> dict[str, Hold]:
        """Takes hold of a shard in all runs that lack it; in none where another process is at it."""
        found = {}
        for run_id in self._plans:
            if self._is_there(run_id, first, end):
                continue
            hold = self._shards[run_id].take(first)
            if hold is None:
                break
            stack.callback(hold.release)
            if not self._is_there(run_id, first, end):  # as it was when nobody held it
                found[run_id] = hold
        return found

    def _is_there(self, run_id: str, first: int, end: int) -> bool:
        mark = self._shards[run_id].mark(first)
        return (mark is not None and mark.end == end) or self._store.finished(self._plans[run_id]) is not None
