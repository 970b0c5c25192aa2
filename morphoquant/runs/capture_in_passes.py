"""Capturing within a bound of memory: batches run as often as is needed, and each pass counts the inputs that there is room for.

The statistics of one input come from one pass, so that they are those of a capture without a bound. What a pass found is
written aside, then into the run's shards; shards are merged an input at a time.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
from torch import Tensor, nn

from morphoquant.core.modality import PADDING
from morphoquant.core.progress import Progress, track
from morphoquant.hooks.collector import Collector
from morphoquant.hooks.modality_hooks import ModalityHooks
from morphoquant.models.control import ControlTokens
from morphoquant.runs import settling, tables
from morphoquant.runs.part_tables import PartTables
from morphoquant.runs.statistics import NAMES, statistics_of, statistics_tables
from morphoquant.stats.channel_stats import place_bytes
from morphoquant.stats.settling import Extremes, halvings
from morphoquant.store.writer import RunWriter


@dataclass(frozen=True)
class Bound:
    """What a capture may take.

    Attributes:
        limit: bytes of statistics at once; those of one input are always held whole.
        folder: for what is written aside.
    """

    limit: int
    folder: Path


@dataclass(eq=False)
class Bounded:
    """Observer of `hooks.ModalityHooks` that counts inputs as long as there is room, in the order in which they come.

    Rows that wait to be counted take little, and their statistics much: what these will take decides.

    Attributes:
        collector: what counts them.
        limit: bytes that it may hold.
        done: groups that earlier passes have counted.
        put_off: groups that are left for later passes.
    """

    collector: Collector
    limit: int
    done: Collection[str]
    put_off: set[str] = field(default_factory=set)
    _held: dict[str, int] = field(default_factory=dict)
    _slots: dict[str, set[int]] = field(default_factory=dict)
    # Slots of the rows that came last: most inputs of a forward come with the very labels of the one before.
    _last: tuple[Tensor, frozenset[int]] | None = None

    def __post_init__(self):
        self._place = place_bytes(self.collector.keep_rows)

    def on_input(self, group: str, module: nn.Linear, x: Tensor, slots: Tensor, keys: Tensor) -> None:
        """Counts rows [rows, K] unless their group is done or put off; the groups that came last make room for the first."""
        if group in self.done or group in self.put_off:
            return
        self.collector.on_input(group, module, x, slots, keys)
        if self._last is None or self._last[0] is not slots:
            self._last = slots, frozenset(slots.unique().tolist()) - {PADDING}
        seen = self._slots.setdefault(group, set())
        seen |= self._last[1]
        self._held[group] = self.collector.nbytes_of(group, x.shape[1] * len(seen) * self._place)
        while sum(self._held.values()) > self.limit and len(self._held) > 1:
            last, _ = self._held.popitem()
            self.collector.drop(last)
            self.put_off.add(last)


def shard_in_passes(
    model: nn.Module,
    batches: Any,
    begin: int,
    end: int,
    control: ControlTokens | None,
    collecting: Mapping[str, int],
    bound: Bound,
    progress: Progress,
) -> tuple[dict[str, Iterable[pa.Table]], int]:
    """Captures batches [begin, end).

    Args:
        model: the model.
        batches: all of them.
        begin: index of the first.
        end: index behind the last.
        control: special tokens and template spans.
        collecting: options of the collectors, "keep_rows" and "seed".
        bound: of memory.
        progress: told what is done.

    Returns:
        The tables of the shard, read from the folder while they are written, and the passes that it took; no tables where no
        linear runs.
    """
    passes, done, aside = 0, set(), PartTables(bound.folder / f"shard-{begin}")
    while True:
        # Nothing but this holds what the last pass counted, which makes room here.
        counting, passes = Bounded(Collector(**collecting), bound.limit, done), passes + 1
        told = partial(progress, f"capturing, pass {passes}" if passes > 1 else "capturing")
        marks, short = _counted(model, batches, begin, end, control, counting, told)
        _put_aside(counting.collector, marks, aside)
        done |= set(counting.collector.stats)
        if not counting.put_off:
            break
    groups = list(dict.fromkeys(short["layers"]["group"].to_pylist()))
    if not groups:
        return {}, passes
    whole = {name: [table] for name, table in short.items()}
    return {**whole, **{name: aside.tables(name, groups) for name in ("extremes", *NAMES)}}, passes


def _counted(
    model: nn.Module, batches: Any, begin: int, end: int, control: ControlTokens | None, counting: Bounded, told: Callable
) -> tuple[list[dict[str, Extremes]], dict[str, pa.Table]]:
    """Runs the batches once; the largest magnitudes at some of them, and the tables of layers and tokens."""
    marks, total = [], len(batches)
    halves = halvings(total)
    with ModalityHooks(model, counting, control, first_sample=begin) as hooks:
        for number, batch in enumerate(batches[begin:end], begin + 1):
            hooks.run(batch)
            if number == end:
                counting.collector.flush()
            if number in halves or number == end:
                marks.append(counting.collector.extremes(number))
            told(number, total)
    return marks, {"layers": tables.layers_table(hooks.layers), "tokens": tables.tokens_table(hooks.tokens, begin)}


def _put_aside(collector: Collector, marks: list[dict[str, Extremes]], aside: PartTables) -> None:
    for name in NAMES:
        aside.add(name, statistics_tables(collector.stats, name))
    own = [{group: mark[group] for group in collector.stats if group in mark} for mark in marks]
    aside.add("extremes", settling.extremes_tables(own))


def merged(writer: RunWriter, collecting: Mapping[str, int], folder: Path, progress: Progress) -> dict[str, Iterator[pa.Table]]:
    """The statistics tables of all shards, of which one input is in memory at a time."""
    shards = [list(dict.fromkeys(table["group"].to_pylist())) for table in writer.shard_tables("layers")]
    # In the order of a capture in memory: the groups of the last shard, then those that only earlier ones have.
    groups = list(dict.fromkeys(group for shard in shards[-1:] + shards[:-1] for group in shard))
    if len(shards) == 1:
        return {name: _of_groups(writer, name, groups) for name in NAMES}
    aside = PartTables(folder / "merged")
    for group in track(groups, "merging", len(groups), progress):
        parts = zip(*(writer.shard_tables(name, {"group": group}) for name in NAMES), strict=True)
        found = [
            statistics_of(group, dict(zip(NAMES, part, strict=True)), **collecting) if part[0].num_rows else None
            for part in parts
        ]
        # The last shard first, as where it is still in memory.
        whole = found.pop()
        for stored in found:
            if stored is not None:
                if whole is not None:
                    stored.merge(whole)
                whole = stored
        for name in NAMES:
            aside.add(name, statistics_tables({group: whole} if whole else {}, name))
    return {name: aside.tables(name, groups) for name in NAMES}


def _of_groups(writer: RunWriter, name: str, groups: list[str]) -> Iterator[pa.Table]:
    return (table for group in groups for table in writer.shard_tables(name, {"group": group}) if table.num_rows)
