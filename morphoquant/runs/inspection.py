"""inspect: how far hidden states and attention move when a model is quantised, block by block, on a few samples.

Each sample runs once in full precision, and for each method twice: with everything quantised, so that errors add up from block
to block, and with the full-precision hidden states put in front of every block, so that each stands alone. All of it with
eager attention, since faster kernels give no attention weights; so full precision and quantised differ by nothing else.
"""

import platform
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from morphoquant import __version__
from morphoquant.core.errors import BatchError, ModelError
from morphoquant.core.layers import Component
from morphoquant.core.plan import RunPlan
from morphoquant.core.progress import Progress, silent
from morphoquant.core.spec import QuantSpec
from morphoquant.hooks.modality_hooks import ModalityHooks
from morphoquant.methods.base import GroupFit, Method
from morphoquant.models.control import ControlTokens
from morphoquant.runs import inspection_tables as made
from morphoquant.runs import tables
from morphoquant.runs.eager import eager_attention, watching_attention
from morphoquant.runs.evaluate import quantized_plan
from morphoquant.runs.fitting import fit
from morphoquant.runs.full_pass import FullPass, Labels
from morphoquant.runs.hidden_axes import TOKENS
from morphoquant.runs.inputs import CalibrationInputs
from morphoquant.runs.quantised_model import quantised_model
from morphoquant.runs.quantised_pass import QuantisedPass
from morphoquant.runs.quantize import Batches
from morphoquant.runs.scope import check_model, parts_of
from morphoquant.runs.taps import Tap, taps_of, watching
from morphoquant.store.run import Run
from morphoquant.store.run_store import RunStore
from morphoquant.store.writer import RunWriter

SHOWN_BLOCKS = 5


def inspect(
    model: nn.Module,
    capture: Run,
    batches: Batches,
    methods: Sequence[tuple[Method, QuantSpec]],
    *,
    store: RunStore,
    identity: Mapping[str, Any],
    data: Mapping[str, Any],
    control: ControlTokens | None = None,
    scope: Sequence[str] = ("language", "vision", "audio", "connector"),
    blocks: Sequence[int] = (),
    seed: int = 0,
    progress: Progress = silent,
) -> list[Run]:
    """Fits each (method, spec) pair to `capture` and looks inside the model on `batches`; what is in the cache is not repeated.

    Args:
        model: the captured model, in full precision.
        capture: a finished capture run of it.
        batches: of one sample each, processor outputs; anything with a length that can be sliced.
        methods: pairs of a method and a spec.
        store: where the runs go.
        identity: the model's identity, as in the capture's plan.
        data: identity of the batches: {"id", "fingerprint", "samples"}.
        control: special tokens and template spans of the model's tokenizer.
        scope: parts of the model to quantise.
        blocks: those of the language model whose attention and hidden states are kept; empty for five, evenly spaced.
        seed: of the run's plan.
        progress: told what is done.

    Returns:
        The finished runs, in the order of `methods`.

    Raises:
        BatchError: no batches.
        SpecError: a method cannot honour its spec.
        ModelError: `capture` is of another model, the scope names no captured part, or there is no such block.
    """
    if not len(batches):
        raise BatchError("there are no samples to look at: give at least one.")
    check_model(capture, identity)
    parts = parts_of(scope)
    taps = taps_of(model, {*parts, Component.LANGUAGE})
    shown = _shown(taps, blocks)
    base = dict(kind="inspect", model=dict(identity), data=dict(data), seed=seed, code=__version__)
    plans = [_plan(base, capture, pair, parts, shown) for pair in methods]
    for method, spec in methods:
        method.check(spec)
    pairs = {plan.run_id: pair for plan, pair in zip(plans, methods, strict=True)}
    with store.unfinished(plans, progress) as writers:
        if writers:
            fits = fit([pairs[run_id] for run_id in writers], CalibrationInputs(capture, model, parts), progress)
            jobs = [_Job(writer, found) for writer, found in zip(writers.values(), fits, strict=True)]
            _run(_Work(model, batches, taps, shown, control, capture), jobs, progress)
    return [store.open(plan.run_id) for plan in plans]


@dataclass(frozen=True, eq=False)
class _Work:
    """What every job looks at."""

    model: nn.Module
    batches: Batches
    taps: list[Tap]
    shown: list[Tap]
    control: ControlTokens | None
    capture: Run


@dataclass(frozen=True, eq=False)
class _Job:
    """One (method, spec) pair that is not in the cache yet."""

    writer: RunWriter
    fits: Mapping[str, GroupFit]


def _plan(base: Mapping[str, Any], capture: Run, pair: tuple[Method, QuantSpec], parts, shown: Sequence[Tap]) -> RunPlan:
    plan = quantized_plan(base, capture, pair, parts)
    return replace(plan, options={**plan.options, "blocks": [tap.block for tap in shown]})


def _shown(taps: Sequence[Tap], wanted: Sequence[int]) -> list[Tap]:
    """The taps of the language model whose attention and hidden states are kept."""
    known = {tap.block: tap for tap in taps if tap.component is Component.LANGUAGE}
    if not known:
        raise ModelError("this model's language part has no numbered blocks: there is nothing to look at inside it.")
    wrong = [block for block in wanted if block not in known]
    if wrong:
        raise ModelError(f"there is no block {wrong[0]} in the language model: allowed are {min(known)} to {max(known)}.")
    every = sorted(known)
    last = len(every) - 1
    spaced = {every[round(place * last / (SHOWN_BLOCKS - 1))] for place in range(SHOWN_BLOCKS)}
    return [known[block] for block in sorted(set(wanted) or spaced)]


def _run(work: _Work, jobs: list[_Job], progress: Progress) -> None:
    total, seconds = len(work.batches), {id(job): 0.0 for job in jobs}
    first = min(job.writer.next_batch for job in jobs)
    steps = sum(total - job.writer.next_batch for job in jobs)
    done, each = 0, max(1, TOKENS // total)
    progress("looking inside", done, steps)
    with eager_attention(work.model):
        for index, batch in enumerate(work.batches[first:total], first):
            todo = [job for job in jobs if job.writer.next_batch == index]
            full, tokens = _in_full_precision(work, batch)
            for job in todo:
                started = time.monotonic()
                found = _quantised(work, batch, full, job.fits)
                held = {"tokens": [tables.tokens_table(tokens, index)], **made.of_sample(found, full, index, each)}
                job.writer.write_shard(index, index + 1, held)
                seconds[id(job)] += time.monotonic() - started
                done += 1
                progress("looking inside", done, steps)
    for job in jobs:
        job.writer.finish(made.whole(job.writer), _summary(work, job, round(seconds[id(job)], 1)))


def _in_full_precision(work: _Work, batch: Mapping[str, Any]) -> tuple[FullPass, list[dict[int, int]]]:
    labels = Labels()
    full = FullPass(labels)
    with ExitStack() as stack:
        hooks = stack.enter_context(ModalityHooks(work.model, labels, work.control))
        stack.enter_context(watching(work.model, work.taps, full.before, full.after))
        stack.enter_context(watching_attention(work.model, work.shown, full.attention))
        hooks.run(batch)
    if len(hooks.tokens) != 1:
        raise BatchError(f"a batch of {len(hooks.tokens)} sequences: hidden states are looked at one sample at a time.")
    return full, hooks.tokens


def _quantised(work: _Work, batch: Mapping[str, Any], full: FullPass, fits: Mapping[str, GroupFit]) -> QuantisedPass:
    found = QuantisedPass(full, work.shown)
    with quantised_model(work.model, fits, work.control), torch.no_grad():
        with (
            watching(work.model, work.taps, after=found.after("accumulated")),
            watching_attention(work.model, work.shown, found.attention),
        ):
            work.model(**batch)
        with watching(work.model, work.taps, full.instead, found.after("alone")):
            work.model(**batch)
    return found


def _summary(work: _Work, job: _Job, seconds: float) -> dict[str, Any]:
    return {
        "seconds": seconds,
        "calibration": work.capture.plan.data.get("id"),
        "attention": "eager, in full precision too",
        "arithmetic": "simulated in float32",
        "torch": torch.__version__,
        "python": platform.python_version(),
    }
