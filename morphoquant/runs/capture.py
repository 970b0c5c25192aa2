"""capture: runs batches through a model once and stores the statistics of every linear's input, by modality."""

import platform
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
import transformers
from torch import nn

from morphoquant import __version__
from morphoquant.core.errors import BatchError, ModelError
from morphoquant.core.plan import RunPlan
from morphoquant.core.progress import Progress, silent, track
from morphoquant.hooks.collector import Collector
from morphoquant.hooks.modality_hooks import ModalityHooks
from morphoquant.models.control import ControlTokens
from morphoquant.quant.experts import still_fused
from morphoquant.queries.input_measures import measures_of
from morphoquant.queries.summed_bins import histograms_of
from morphoquant.runs import settling, tables
from morphoquant.runs.budget import room
from morphoquant.runs.capture_in_passes import Bound, merged, shard_in_passes
from morphoquant.runs.division import Division, Span, spans
from morphoquant.runs.identity import batches_identity, model_identity
from morphoquant.runs.sequences import sequences_table, spread
from morphoquant.runs.statistics import NAMES, statistics_of, statistics_tables
from morphoquant.stats.channel_stats import ChannelStats
from morphoquant.stats.settling import halvings
from morphoquant.store.place import local_folder
from morphoquant.store.run_store import Run, RunStore
from morphoquant.store.schema import TABLES
from morphoquant.store.scratch import scratch
from morphoquant.store.writer import RunWriter

SHARD = 32
_NOTHING = "no linear layer ran: give a model with nn.Linear layers and batches that reach them."


def capture(
    model: nn.Module,
    batches: Iterable[Mapping[str, Any]],
    *,
    store: RunStore | Path | str = "cache",
    identity: Mapping[str, Any] | None = None,
    data: Mapping[str, Any] | None = None,
    control: ControlTokens | None = None,
    keep_rows: int = 128,
    seed: int = 0,
    summary: Mapping[str, Any] | None = None,
    memory: int | None = None,
    together: bool = False,
    progress: Progress = silent,
) -> Run:
    """Captures a model's activations by modality, or finds the equal run in the cache. An interrupted capture resumes.

    Args:
        model: any transformers model, in eval mode.
        batches: processor outputs (dicts of tensors with input_ids). A sequence is sliced, so that one which makes its batches
            when they are asked for is never held in memory; anything else is read into a list first.
        store: the run store, or the cache folder.
        identity: {"id", "revision", "class", "files"} of the model; absent: its class and the sha256 of its state.
        data: {"id", "fingerprint", "samples"} of the batches; absent: the sha256 of their tensors.
        control: special tokens and chat-template spans, from `models.control.control_tokens(tokenizer)`; without it they count
            as text.
        keep_rows: tokens kept for each input, modality and position class, for methods that need samples.
        seed: of the kept tokens.
        summary: further facts for the run's header.
        memory: bytes that the process may take: where the statistics do not fit, batches run several times. Absent: no bound.
        together: other processes capture the same: they share the batches.
        progress: told what is done.

    Returns:
        The finished capture run.

    Raises:
        BatchError: no batches, one without input_ids, or nothing but padding.
        ModelError: no linear layer ran, or the memory is too little.
        StoreError: the cache cannot be written.
    """
    if keep_rows < 1:
        raise BatchError(f"cannot keep {keep_rows} tokens: give at least 1.")
    store = store if isinstance(store, RunStore) else RunStore(store)
    batches = batches if hasattr(batches, "__getitem__") and hasattr(batches, "__len__") else list(batches)
    if not len(batches):
        raise BatchError("there are no batches to capture: give at least one processor output.")
    plan = RunPlan(
        kind="capture",
        model=dict(identity or model_identity(model)),
        data=dict(data or batches_identity(batches)),
        options={"keep_rows": keep_rows},
        seed=seed,
        code=__version__,
    )
    collecting = {"keep_rows": keep_rows, "seed": seed}
    capturing = _Capturing(model, batches, control, collecting, memory, local_folder(store.cache), progress)
    cut = spans(len(batches), SHARD)
    division = Division(store, [plan], cut, capturing.shard)
    with store.unfinished([plan], division.helping(progress) if together else progress) as writers:
        for writer in writers.values():
            # The last shard of a process that works alone need not be written to be read again.
            division.complete(writers, progress, cut if together or memory is not None else cut[:-1])
            _finish(capturing, writer, cut[-1], summary or {})
    return store.open(plan.run_id)


@dataclass(frozen=True, eq=False)
class _Seen:
    """What batches of one shard showed, in memory.

    Attributes:
        layers: the layers that ran.
        tokens: of each sample.
        stats: statistics by group.
        marks: how far the ranges had come after some of the batches.
    """

    layers: pa.Table
    tokens: pa.Table
    stats: dict[str, ChannelStats]
    marks: list

    def tables(self) -> dict[str, Iterable[pa.Table]]:
        """The tables of the shard."""
        found = {"layers": [self.layers], "tokens": [self.tokens], "extremes": settling.extremes_tables(self.marks)}
        return {**found, **{name: statistics_tables(self.stats, name) for name in NAMES}}


@dataclass(eq=False)
class _Capturing:
    """Runs batches, a shard at a time.

    Attributes:
        collecting: options of the collectors.
        memory: bytes that the process may take, absent for no bound.
        folder: of this machine, for what is written aside within a bound.
        passes: the most that a shard took so far.
        started: when this process began.
    """

    model: nn.Module
    batches: Any
    control: ControlTokens | None
    collecting: Mapping[str, int]
    memory: int | None
    folder: Path
    progress: Progress
    passes: int = 0
    started: float = field(default_factory=time.monotonic)

    def shard(self, first: int, end: int, run_ids: list[str]) -> Iterator[tuple[str, dict[str, Iterable[pa.Table]]]]:
        """The tables of batches [first, end)."""
        if self.memory is None:
            yield run_ids[0], self.seen(first, end).tables()
            return
        with scratch(self.folder) as folder:
            bound = Bound(room(self.memory, self.model), folder)
            given = self.model, self.batches, first, end, self.control, self.collecting
            found, passes = shard_in_passes(*given, bound, self.progress)
            if not found:
                raise ModelError(_NOTHING)
            self.passes = max(self.passes, passes)
            yield run_ids[0], found

    def seen(self, first: int, end: int) -> _Seen:
        """What batches [first, end) show."""
        total, collector, marks = len(self.batches), Collector(**self.collecting), []
        halves = halvings(total)
        with ModalityHooks(self.model, collector, self.control, first_sample=first) as hooks:
            for done, batch in enumerate(self.batches[first:end], first + 1):
                hooks.run(batch)
                if done == end:
                    collector.flush()  # what follows counts them all anyway
                if done in halves or done == end:
                    marks.append(collector.extremes(done))
                self.progress("capturing", done, total)
        if not hooks.layers:
            raise ModelError(_NOTHING)
        return _Seen(tables.layers_table(hooks.layers), tables.tokens_table(hooks.tokens, first), collector.stats, marks)


def _finish(capturing: _Capturing, writer: RunWriter, last: Span, summary: Mapping[str, Any]) -> None:
    batches, progress, total, marks = capturing.batches, capturing.progress, len(capturing.batches), []
    fused = still_fused(capturing.model)
    for name, module in fused.items():
        progress(f"{name} ({type(module).__name__}) holds its experts in one tensor: they are not measured", 0, 0)
    with ExitStack() as stack:
        if writer.next_batch < total:
            seen = capturing.seen(*last)
            _merge_shards(writer, seen.stats, capturing.collecting, progress)
            final, marks = {name: statistics_tables(seen.stats, name) for name in NAMES}, seen.marks
            own = [seen.layers], [seen.tokens]
        else:
            final = merged(writer, capturing.collecting, stack.enter_context(scratch(capturing.folder)), progress)
            own = [], []
        progress("storing", 0, 1)
        final["layers"] = [_union([*writer.shard_tables("layers"), *own[0]])]
        final["tokens"] = [*writer.shard_tables("tokens"), *own[1]]
        final["sequences"] = [sequences_table(index, batch) for index in spread(total) for batch in batches[index : index + 1]]
        if settling.complete(writer):
            final["settling"] = settling.settling_tables(writer, marks, halvings(total))
        if not any(table.num_rows for table in final["tokens"]):
            raise BatchError("there is no token to capture, only padding: give batches whose attention_mask keeps some.")
        facts = {
            **({} if capturing.memory is None else {"memory": capturing.memory, "passes": capturing.passes}),
            **summary,
            "not_measured": list(fused),
            "seconds": round(time.monotonic() - capturing.started, 1),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "python": platform.python_version(),
        }
        final = tables.summed_up(final, "channel_stats", "input_measures", measures_of)
        final = tables.summed_up(final, "histograms", "input_histograms", histograms_of)
        writer.finish(final, facts)
    progress("storing", 1, 1)


def _merge_shards(writer: RunWriter, stats: dict[str, ChannelStats], collecting, progress: Progress) -> None:
    """Adds the statistics of stored shards to those in memory, one group at a time."""
    if not writer.header.shards:
        return
    groups = list(dict.fromkeys(group for table in writer.shard_tables("layers") for group in table["group"].to_pylist()))
    for group in track(groups, "merging", len(groups), progress):
        parts = {name: writer.shard_tables(name, {"group": group}) for name in NAMES}
        for shard in zip(*parts.values(), strict=True):
            if shard[0].num_rows:
                stored = statistics_of(group, dict(zip(NAMES, shard, strict=True)), **collecting)
                if group in stats:
                    stored.merge(stats[group])
                stats[group] = stored


def _union(parts: list[pa.Table]) -> pa.Table:
    """Layers of all shards, each once, in the order they first ran."""
    rows = {row["layer"]: row for part in parts for row in part.to_pylist()}
    return pa.Table.from_pylist(list(rows.values()), schema=TABLES["layers"])
