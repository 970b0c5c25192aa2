"""capture: runs batches through a model once and stores the statistics of every linear's input, by modality."""

import platform
import time
from collections.abc import Iterable, Mapping
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
from morphoquant.runs import settling, tables
from morphoquant.runs.identity import batches_identity, model_identity
from morphoquant.runs.sequences import sequences_table, spread
from morphoquant.runs.statistics import NAMES, statistics_of, statistics_tables
from morphoquant.stats.channel_stats import ChannelStats
from morphoquant.stats.settling import halvings
from morphoquant.store.run_store import Run, RunStore
from morphoquant.store.schema import TABLES
from morphoquant.store.writer import RunWriter

SHARD = 32


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
        progress: told what is done.

    Returns:
        The finished capture run.

    Raises:
        BatchError: no batches, one without input_ids, or nothing but padding.
        ModelError: no linear layer ran.
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
    with store.unfinished([plan], progress) as writers:
        for writer in writers.values():
            _run(model, batches, writer, control, keep_rows, seed, summary or {}, progress)
    return store.open(plan.run_id)


def _run(model, batches, writer: RunWriter, control, keep_rows: int, seed: int, summary, progress: Progress) -> None:
    started, total = time.monotonic(), len(batches)
    halves = halvings(total)
    while True:
        begin = writer.next_batch
        end = min(begin + SHARD, total)
        collector, marks = Collector(keep_rows, seed), []
        with ModalityHooks(model, collector, control, first_sample=begin) as hooks:
            for done, batch in enumerate(batches[begin:end], begin + 1):
                hooks.run(batch)
                if done == end:
                    collector.flush()  # what follows counts them all anyway
                if done in halves or done == end:
                    marks.append(collector.extremes(done))
                progress("capturing", done, total)
        if not hooks.layers:
            raise ModelError("no linear layer ran: give a model with nn.Linear layers and batches that reach them.")
        shard = {"layers": [tables.layers_table(hooks.layers)], "tokens": [tables.tokens_table(hooks.tokens, begin)]}
        if end == total:
            break
        shard["extremes"] = settling.extremes_tables(marks)
        writer.write_shard(begin, end, {**shard, **{name: statistics_tables(collector.stats, name) for name in NAMES}})
    _merge_shards(writer, collector.stats, keep_rows, seed, progress)
    progress("storing", 0, 1)
    facts = {
        **summary,
        "seconds": round(time.monotonic() - started, 1),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "python": platform.python_version(),
    }
    final = {
        "layers": [_union([*writer.shard_tables("layers"), *shard["layers"]])],
        "tokens": [*writer.shard_tables("tokens"), *shard["tokens"]],
        **{name: statistics_tables(collector.stats, name) for name in NAMES},
        "sequences": [sequences_table(index, batch) for index in spread(total) for batch in batches[index : index + 1]],
    }
    if settling.complete(writer):
        final["settling"] = settling.settling_tables(writer, marks, halves)
    if not any(table.num_rows for table in final["tokens"]):
        raise BatchError("there is no token to capture, only padding: give batches whose attention_mask keeps some.")
    writer.finish(final, facts)
    progress("storing", 1, 1)


def _merge_shards(writer: RunWriter, stats: dict[str, ChannelStats], keep_rows: int, seed: int, progress: Progress) -> None:
    """Adds the statistics of stored shards to those in memory, one group at a time."""
    if not writer.header.shards:
        return
    groups = list(dict.fromkeys(group for table in writer.shard_tables("layers") for group in table["group"].to_pylist()))
    for group in track(groups, "merging", len(groups), progress):
        parts = {name: writer.shard_tables(name, {"group": group}) for name in NAMES}
        for shard in zip(*parts.values(), strict=True):
            if shard[0].num_rows:
                stored = statistics_of(group, dict(zip(NAMES, shard, strict=True)), keep_rows, seed)
                if group in stats:
                    stored.merge(stats[group])
                stats[group] = stored


def _union(parts: list[pa.Table]) -> pa.Table:
    """Layers of all shards, each once, in the order they first ran."""
    rows = {row["layer"]: row for part in parts for row in part.to_pylist()}
    return pa.Table.from_pylist(list(rows.values()), schema=TABLES["layers"])
