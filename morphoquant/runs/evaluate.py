"""evaluate: asks closed questions of a model in full precision and quantised, and stores how likely every choice is.

Items are worked through in shards. In a shard full precision and all methods answer the same items one after the other, so
that encoders out of scope run once.
"""

import hashlib
import json
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
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
from morphoquant.runs.division import Division, spans
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
    together: bool = False,
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
        together: other processes evaluate the same: they share the items. Each finds the fits.
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
    plans = [full, *(plan for *_, plan in wanted)]
    held = held or Held()

    def jobs() -> dict[str, _Job]:
        missing = {plan.run_id: (capture, pair, plan) for capture, pair, plan in wanted if store.finished(plan) is None}
        found = {} if store.finished(full) else {full.run_id: _Job({}, control, None)}
        for run_id, fits in _fitted(loaded, list(missing.values()), parts, held, progress):
            found[run_id] = _Job(fits, False, missing[run_id][0].plan.data.get("id"))
        return found

    exchanged = {item.id: item for item in shuffled(items, seed)} if control else {}
    questioning = _Questioning(
        _Work(loaded, items, exchanged, batch, texts), jobs, unchanged_parts(loaded.model, parts), keep_bytes, progress
    )
    division = Division(store, plans, spans(len(items), SHARD), questioning.shard)
    with store.unfinished(plans, division.helping(progress) if together else progress) as writers:
        division.complete(writers, progress)
        for place, (run_id, writer) in enumerate(writers.items()):
            progress("reading passages", place, len(writers))
            questioning.finish(run_id, writer)
        if writers:
            progress("reading passages", len(writers), len(writers))
    return [store.open(plan.run_id) for plan in plans]


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
        fits: by group.
        control: asks items with exchanged media too.
        calibration: name of the data that the fits come from.
    """

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


class _Questioning:
    """Asks items, a shard at a time; methods are fitted when the first shard is asked.

    Args:
        work: what is asked.
        jobs: finds the fits of the runs that are not finished, by run_id.
        unchanged: names of parts of the model that compute the same thing in every run.
        keep_bytes: what their outputs may take, for one shard.
        progress: told what is done.
    """

    def __init__(
        self, work: _Work, jobs: Callable[[], dict[str, _Job]], unchanged: list[str], keep_bytes: int, progress: Progress
    ):
        self._work, self._find, self._unchanged, self._progress = work, jobs, unchanged, progress
        self._ask, self._kept, self._seconds = Asker(work.loaded), Kept(keep_bytes), Counter()

    @cached_property
    def _jobs(self) -> dict[str, _Job]:
        return self._find()

    @cached_property
    def _read(self) -> Reader:
        """Whether questions of a kind can be gone on with is found out on the first of them, whichever shard is asked first."""
        read, items = Reader.of(self._work.loaded), self._work.items
        for kind in dict.fromkeys(item.sample.modalities for item in items):
            first = (asked for item in items if item.sample.modalities == kind for asked in ask_all(self._ask, [item])[0])
            read.learn(self._work.loaded.model, list(islice(first, 1)))
        return read

    def shard(self, first: int, end: int, run_ids: list[str]) -> Iterator[tuple[str, dict[str, list]]]:
        """The tables of items [first, end), one run after the other."""
        model, control = self._work.loaded.model, self._work.loaded.control
        jobs = {run_id: job for run_id, job in self._jobs.items() if run_id in run_ids}
        each, whole = ({run_id: 2 if job.control else 1 for run_id, job in some.items()} for some in (jobs, self._jobs))
        todo, done = sum(whole.values()), sum(whole.values()) - sum(each.values())
        total = len(self._work.items)
        questions, refused = ask_all(self._ask, self._work.items[first:end])
        self._progress("evaluating", todo * first + done * (end - first), todo * total)
        with self._kept.replaying(model, self._unchanged):
            read = self._read
            for run_id, job in jobs.items():
                started = time.monotonic()
                given = questions + (_controls(self._ask, questions, self._work.controls) if job.control else [])
                with quantised_model(model, job.fits, control):
                    found = log_likelihoods(model, given, self._work.batch, read)
                yield (
                    run_id,
                    {"answers": [answers_table(given, found)], **({"refused": [refused_table(refused)]} if refused else {})},
                )
                self._seconds[run_id] += time.monotonic() - started
                done += each[run_id]
                self._progress("evaluating", todo * first + done * (end - first), todo * total)
        self._kept.clear()

    def finish(self, run_id: str, writer: RunWriter) -> None:
        """Reads passages and ends a run whose shards are all there."""
        job = self._jobs[run_id]
        with quantised_model(self._work.loaded.model, job.fits, self._work.loaded.control):
            _finish(self._work, job, writer, round(self._seconds[run_id], 1))


def _controls(ask: Asker, questions: Sequence[Question], controls: Mapping[str, Item]) -> list[Question]:
    """The control of each question that has one; where the medium it got cannot be encoded there is none."""
    items = [controls[question.item.id] for question in questions if question.item.id in controls]
    found, _ = ask_all(lambda item: ask(item, control=True), items)
    return found


def _finish(work: _Work, job: _Job, writer: RunWriter, seconds: float) -> None:
    answers, refused = (writer.shard_tables(name) for name in ("answers", "refused"))
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
    writer.finish(tables, facts)
