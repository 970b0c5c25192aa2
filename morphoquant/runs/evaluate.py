"""evaluate: asks closed questions of a model in full precision and quantised, and stores how likely every choice is.

Items are worked through in shards. In a shard full precision and all methods answer the same items one after the other, so
that encoders out of scope run once.
"""

import hashlib
import json
import platform
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from morphoquant import __version__
from morphoquant.core.errors import BatchError, ModelError
from morphoquant.core.layers import Component
from morphoquant.core.plan import RunPlan
from morphoquant.core.progress import Progress, silent
from morphoquant.core.spec import QuantSpec
from morphoquant.data.items import Item, items_fingerprint, shuffled
from morphoquant.methods.base import GroupFit, Method
from morphoquant.models.load import LoadedModel
from morphoquant.runs.answers import Asker, Question, ask_all, log_likelihoods
from morphoquant.runs.continuing import Reader
from morphoquant.runs.fitting import Held, fit
from morphoquant.runs.inputs import CalibrationInputs
from morphoquant.runs.keeping import LIMIT, Kept, unchanged_parts
from morphoquant.runs.passages import perplexity_table
from morphoquant.runs.quantised_model import quantised_model
from morphoquant.runs.scope import check_model, parts_of
from morphoquant.runs.tables import answers_table, refused_table
from morphoquant.store.run import Run
from morphoquant.store.run_store import RunStore
from morphoquant.store.writer import RunWriter

SHARD = 32
Pair = tuple[Method, QuantSpec]
Texts = Sequence[tuple[str, str]]


def evaluate(
    loaded: LoadedModel,
    items: Sequence[Item],
    pairs: Sequence[Pair] = (),
    *,
    store: RunStore,
    captures: Sequence[Run] = (),
    data: str = "items",
    texts: Texts = (),
    scope: Sequence[str] = ("language",),
    control: bool = True,
    batch: int = 1,
    seed: int = 0,
    keep_bytes: int = LIMIT,
    held: Held | None = None,
    progress: Progress = silent,
) -> list[Run]:
    """Evaluates a model in full precision, then every (method, spec) pair fitted to every capture.

    What is in the cache already is not asked again, and an interrupted run resumes after its last whole shard. An item that
    cannot be encoded becomes a row of the table "refused"; all others are asked.

    Args:
        loaded: the model and its encoder.
        items: questions; their identifiers differ.
        pairs: methods and specs; none for full precision alone.
        store: where the runs go.
        captures: finished capture runs of the model that the methods are fitted to.
        data: name of the items, for the plan.
        texts: (identifier, text) of passages to measure perplexity on.
        scope: parts of the model to quantise.
        control: asks each item with media again, with those of another item, in full precision.
        batch: rows that may share a forward.
        seed: of the exchange of media, and of the run's plan.
        keep_bytes: what the outputs of parts out of scope may take, for one shard.
        held: fits that are found already, and are added to.
        progress: told what is done.

    Returns:
        The full-precision run, then the runs of the first capture in the order of `pairs`, then those of the next.

    Raises:
        BatchError: there are no items, two have one identifier, or none of them can be asked.
        SpecError: a method cannot honour its spec.
        ModelError: a capture is of another model, the scope names no captured part, or answers are not finite.
    """
    if not items:
        raise BatchError("there are no items to evaluate: give at least one.")
    if twice := next((name for name, count in Counter(item.id for item in items).items() if count > 1), None):
        raise BatchError(f"two items have the identifier {twice!r}: give each its own.")
    if pairs and not captures:
        raise ModelError("methods are fitted to a capture: capture the model first, and give that run.")
    for method, spec in pairs:
        method.check(spec)
    for capture in captures:
        check_model(capture, loaded.identity)
    parts = parts_of(scope)
    identity = {"id": data, "fingerprint": items_fingerprint(items), "samples": len(items)}
    if texts:
        identity["texts"] = hashlib.sha256(json.dumps(list(map(list, texts))).encode()).hexdigest()
    base = dict(kind="evaluate", model=dict(loaded.identity), data=identity, seed=seed, code=__version__)
    full = _full_plan(store, base, control)
    wanted = [(capture, pair, quantized_plan(base, capture, pair, parts)) for capture in captures for pair in pairs]
    with store.unfinished([full, *(plan for *_, plan in wanted)], progress) as writers:
        jobs = [_Job(writers[full.run_id], {}, control, None)] if full.run_id in writers else []
        missing = {plan.run_id: (capture, pair, plan) for capture, pair, plan in wanted if plan.run_id in writers}
        for run_id, fits in _fitted(loaded, list(missing.values()), parts, held or Held(), progress):
            capture = missing[run_id][0]
            jobs.append(_Job(writers[run_id], fits, False, capture.plan.data.get("id")))
        if jobs:
            work = _Work(loaded, items, {item.id: item for item in shuffled(items, seed)} if control else {}, batch, texts)
            _run(work, jobs, unchanged_parts(loaded.model, parts), keep_bytes, progress)
    return [store.open(plan.run_id) for plan in (full, *(plan for _, _, plan in wanted))]


def quantized_plan(base: Mapping[str, Any], capture: Run, pair: Pair, parts: Sequence[Component]) -> RunPlan:
    """The plan of one (method, spec) pair fitted to `capture`; `base` are the fields that it shares with full precision."""
    method, spec = pair
    options = {"scope": [str(part) for part in parts]}
    return RunPlan(**base, options=options, capture=capture.run_id, method=method.name, fields=method.options(), spec=str(spec))


@dataclass(frozen=True, eq=False)
class _Work:
    """What every job is asked.

    Attributes:
        loaded: the model.
        items: all items.
        controls: by identifier, the items with exchanged media.
        batch: rows that may share a forward.
        texts: passages.
    """

    loaded: LoadedModel
    items: Sequence[Item]
    controls: Mapping[str, Item]
    batch: int
    texts: Texts


@dataclass(frozen=True, eq=False)
class _Job:
    """One run that is not in the cache yet; without fits it is the full-precision one.

    Attributes:
        writer: of the run.
        fits: by group.
        control: asks items with exchanged media too.
        calibration: name of the data that the fits come from.
    """

    writer: RunWriter
    fits: Mapping[str, GroupFit]
    control: bool
    calibration: str | None


def _full_plan(store: RunStore, base: Mapping[str, Any], control: bool) -> RunPlan:
    plan = RunPlan(**base, options={"scope": []})
    # A run without the control is another run; one with it serves those who do not ask for it.
    return plan if control or store.finished(plan) else RunPlan(**base, options={"scope": []}, fields={"control": False})


def _fitted(loaded: LoadedModel, missing, parts, held: Held, progress: Progress) -> Iterator[tuple[str, dict[str, GroupFit]]]:
    """(run_id, fits) of plans that have not run, one capture after the other; equal weights are held once."""
    by_capture: dict[str, list] = {}
    for capture, pair, plan in missing:
        by_capture.setdefault(capture.run_id, []).append((capture, pair, plan))
    for members in by_capture.values():
        inputs = CalibrationInputs(members[0][0], loaded.model, parts)
        fits = fit([pair for _, pair, _ in members], inputs, progress, held)
        yield from zip((plan.run_id for *_, plan in members), fits, strict=True)


def _run(work: _Work, jobs: list[_Job], unchanged: list[str], keep_bytes: int, progress: Progress) -> None:
    model, total = work.loaded.model, len(work.items)
    ask, kept, seconds = Asker(work.loaded), Kept(keep_bytes), dict.fromkeys(range(len(jobs)), 0.0)
    read = Reader.of(work.loaded)
    first = min(job.writer.next_batch for job in jobs)
    todo = sum((2 if job.control else 1) * (total - job.writer.next_batch) for job in jobs)
    done = 0
    progress("evaluating", done, todo)
    for begin in range(first, total, SHARD):
        shard = work.items[begin : begin + SHARD]
        questions, refused = ask_all(ask, shard)
        with kept.replaying(model, unchanged):
            read.learn(model, questions)
            for place, job in enumerate(jobs):
                if job.writer.next_batch != begin:
                    continue
                started = time.monotonic()
                given = questions + (_controls(ask, questions, work.controls) if job.control else [])
                with quantised_model(model, job.fits, work.loaded.control):
                    found = log_likelihoods(model, given, work.batch, read)
                tables = {"answers": [answers_table(given, found)], **({"refused": [refused_table(refused)]} if refused else {})}
                job.writer.write_shard(begin, begin + len(shard), tables)
                seconds[place] += time.monotonic() - started
                done += (2 if job.control else 1) * len(shard)
                progress("evaluating", done, todo)
        kept.clear()
    for place, job in enumerate(jobs):
        progress("reading passages", place, len(jobs))
        with quantised_model(model, job.fits, work.loaded.control):
            _finish(work, job, round(seconds[place], 1))
    progress("reading passages", len(jobs), len(jobs))


def _controls(ask: Asker, questions: Sequence[Question], controls: Mapping[str, Item]) -> list[Question]:
    """The control of each question that has one; where the medium it got cannot be encoded there is none."""
    items = [controls[question.item.id] for question in questions if question.item.id in controls]
    found, _ = ask_all(lambda item: ask(item, control=True), items)
    return found


def _finish(work: _Work, job: _Job, seconds: float) -> None:
    answers, refused = (job.writer.shard_tables(name) for name in ("answers", "refused"))
    if not any(table.num_rows for table in answers):
        reason = next((row["reason"] for table in refused for row in table.to_pylist()), "")
        raise BatchError(f"none of the {len(work.items)} items can be asked; the first: {reason}")
    tables = {"answers": answers, **({"refused": refused} if refused else {})}
    if work.texts:
        tables["perplexity"] = [perplexity_table(work.loaded, work.texts)]
    facts = {
        "seconds": seconds,
        "arithmetic": "simulated in float32" if job.fits else "float32",
        "torch": torch.__version__,
        "python": platform.python_version(),
        **({"calibration": job.calibration} if job.calibration else {}),  # so that the run can be read without its capture
    }
    job.writer.finish(tables, facts)
