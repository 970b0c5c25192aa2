"""sensitivity: each group of linears quantised alone, and how far the answers move from full precision.

Blocks in front of the quantised group compute what they compute in full precision: their outputs are kept from one pass in
full precision and replayed, so that a group in the middle costs half a forward.
"""

import platform
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import torch
from torch import nn

from morphoquant import __version__
from morphoquant.core.errors import BatchError
from morphoquant.core.layers import Component
from morphoquant.core.progress import Progress, silent
from morphoquant.core.spec import QuantSpec
from morphoquant.data.items import Item, items_fingerprint
from morphoquant.methods.base import GroupFit, Method
from morphoquant.models.load import LoadedModel
from morphoquant.runs.answers import Asker, Question, ask_all, log_likelihoods, rows_of
from morphoquant.runs.evaluate import quantized_plan
from morphoquant.runs.fitting import fit
from morphoquant.runs.inputs import CalibrationInputs
from morphoquant.runs.keeping import LIMIT, Kept, blocks_of, unchanged_parts
from morphoquant.runs.quantised_model import quantised_model
from morphoquant.runs.scope import check_model, parts_of
from morphoquant.runs.tables import refused_table, sensitivity_added_up, sensitivity_table
from morphoquant.store.run import Run
from morphoquant.store.run_store import RunStore
from morphoquant.store.writer import RunWriter

SHARD = 16  # items whose hidden states are kept at a time
_SUMS = ("items", "kl", "agree", "right", "full_right")


def forwards(groups: int, rows: int) -> int:
    """Forwards that a ranking takes: every row in full precision, once a group, and once with all groups."""
    return rows * (groups + 2)


def sensitivity(
    loaded: LoadedModel,
    items: Sequence[Item],
    method: Method,
    spec: QuantSpec,
    *,
    store: RunStore,
    capture: Run,
    data: str = "items",
    scope: Sequence[str] = ("language",),
    batch: int = 1,
    seed: int = 0,
    keep_bytes: int = LIMIT,
    progress: Progress = silent,
) -> Run:
    """Quantises every group of the scope alone, then all at once, and measures the answers; from the cache if it is there.

    Before the first forward `progress` is told their number.

    Args:
        loaded: the model and its encoder.
        items: questions; their identifiers differ.
        method: what the groups are quantised with.
        spec: to how many bits.
        store: where the run goes.
        capture: finished capture run of the model that the method is fitted to.
        data: name of the items, for the plan.
        scope: parts of the model whose groups are quantised.
        batch: rows that may share a forward.
        seed: of the run's plan.
        keep_bytes: what kept outputs may take, for one shard; beyond it they are computed again.
        progress: told what is done.

    Returns:
        The finished run.

    Raises:
        BatchError: there are no items, or none can be asked.
        SpecError: the method cannot honour the spec.
        ModelError: the capture is of another model, the scope names no captured part, or answers are not finite.
    """
    if not items:
        raise BatchError("there are no items to ask: give at least one.")
    method.check(spec)
    check_model(capture, loaded.identity)
    parts = parts_of(scope)
    identity = {"id": data, "fingerprint": items_fingerprint(items), "samples": len(items)}
    base = dict(kind="sensitivity", model=dict(loaded.identity), data=identity, seed=seed, code=__version__)
    plan = quantized_plan(base, capture, (method, spec), parts)
    with store.unfinished([plan], progress) as writers:
        for writer in writers.values():
            inputs = CalibrationInputs(capture, loaded.model, parts)
            (fits,) = fit([(method, spec)], inputs, progress)
            work = _Work(loaded, items, batch, _steps(loaded.model, fits, parts), unchanged_parts(loaded.model, parts))
            _run(work, inputs, writer, keep_bytes, progress)
    return store.open(plan.run_id)


@dataclass(frozen=True, eq=False)
class _Step:
    """One quantisation of the model.

    Attributes:
        group: quantised alone, absent for all groups at once.
        fits: of the group or of all.
        replayed: blocks that hold none of its linears.
    """

    group: str | None
    fits: Mapping[str, GroupFit]
    replayed: list[str]


@dataclass(frozen=True, eq=False)
class _Work:
    """What is asked, under which quantisations."""

    loaded: LoadedModel
    items: Sequence[Item]
    batch: int
    steps: list[_Step]
    unchanged: list[str]


def _steps(model: nn.Module, fits: Mapping[str, GroupFit], parts: Sequence[Component]) -> list[_Step]:
    blocks = blocks_of(model, [*fits])
    steps = []
    for group, one in fits.items():
        replayed = [name for name in blocks if not any(layer.startswith(f"{name}.") for layer in one.weights)]
        steps.append(_Step(group, {group: one}, replayed))
    return [*steps, _Step(None, fits, [])]


def _run(work: _Work, inputs: CalibrationInputs, writer: RunWriter, keep_bytes: int, progress: Progress) -> None:
    started, total, ask = time.monotonic(), len(work.items), Asker(work.loaded)
    model, kept, groups = work.loaded.model, Kept(keep_bytes), len(work.steps) - 1
    stage = f"{groups} groups, {forwards(groups, _rows(ask, work.items))} forwards"
    blocks = sorted({name for step in work.steps for name in step.replayed})
    for begin in range(writer.next_batch, total, SHARD):
        if begin < writer.next_batch:
            continue  # it was behind one that was damaged, and is as good as it was
        shard = work.items[begin : begin + SHARD]
        questions, refused = ask_all(ask, shard)
        with kept.replaying(model, [*work.unchanged, *blocks]):
            full = log_likelihoods(model, questions, work.batch)
        found = []
        for place, step in enumerate(work.steps):
            progress(stage, begin * len(work.steps) + place * len(shard), total * len(work.steps))
            replayed = kept.replaying(model, [*work.unchanged, *step.replayed], learning=False)
            with replayed, quantised_model(model, step.fits, work.loaded.control):
                answered = log_likelihoods(model, questions, work.batch)
            found += [{**_named(step, inputs), **sums} for sums in _sums(questions, full, answered)]
        kept.clear()
        tables = {"sensitivity": [sensitivity_table(found)], **({"refused": [refused_table(refused)]} if refused else {})}
        writer.write_shard(begin, begin + len(shard), tables)
        progress(stage, (begin + len(shard)) * len(work.steps), total * len(work.steps))
    _finish(work, writer, round(time.monotonic() - started, 1))


def _rows(ask: Asker, items: Sequence[Item]) -> int:
    """Rows that the items take; one whose choices cannot be told apart takes none."""
    rows = 0
    for item in items:
        with suppress(BatchError):
            rows += len(rows_of(ask.choices(item)))
    return rows


def _named(step: _Step, inputs: CalibrationInputs) -> dict:
    if step.group is None:
        return dict.fromkeys(("group", "component", "block", "role"))
    one = inputs.group(step.group, ())
    return {"group": step.group, "component": str(one.component), "block": one.block, "role": one.role}


def _sums(questions: Sequence[Question], full: list[list[float]], quantised: list[list[float]]) -> list[dict]:
    """Sums by subject over the items."""
    found: dict[str, dict] = {}
    for question, before, after in zip(questions, full, quantised, strict=True):
        sums = found.setdefault(question.item.subject, dict.fromkeys(_SUMS, 0))
        true, other = (torch.tensor(values, dtype=torch.float64).log_softmax(0) for values in (before, after))
        picks = int(true.argmax()), int(other.argmax())
        right = question.item.answer
        # Rounding can leave a divergence of equal answers just below zero.
        kl = max(float((true.exp() * (true - other)).sum()), 0.0)
        for name, value in zip(_SUMS, (1, kl, picks[0] == picks[1], picks[1] == right, picks[0] == right), strict=True):
            sums[name] += value
    return [{"subject": subject, **sums} for subject, sums in found.items()]


def _finish(work: _Work, writer: RunWriter, seconds: float) -> None:
    shards, refused = writer.shard_tables("sensitivity"), writer.shard_tables("refused")
    table = sensitivity_added_up(shards)
    if not table.num_rows:
        reason = next((row["reason"] for part in refused for row in part.to_pylist()), "")
        raise BatchError(f"none of the {len(work.items)} items can be asked; the first: {reason}")
    facts = {
        "seconds": seconds,
        "groups": len(work.steps) - 1,
        "arithmetic": "simulated in float32",
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
    writer.finish({"sensitivity": [table], **({"refused": refused} if refused else {})}, facts)
