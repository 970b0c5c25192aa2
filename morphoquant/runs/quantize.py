"""quantize: fits methods to a capture run and measures their errors on other samples. One pass serves many methods."""

import platform
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn

from morphoquant import __version__
from morphoquant.core.layers import Component
from morphoquant.core.plan import RunPlan
from morphoquant.core.progress import Progress, silent
from morphoquant.core.spec import QuantSpec
from morphoquant.hooks.modality_hooks import ModalityHooks
from morphoquant.methods.base import GroupFit, Method
from morphoquant.methods.cost import total_cost
from morphoquant.models.control import ControlTokens
from morphoquant.runs import tables
from morphoquant.runs.fitting import Held, fit
from morphoquant.runs.inputs import CalibrationInputs
from morphoquant.runs.measure import Measure, Measured
from morphoquant.runs.scope import check_model, parts_of
from morphoquant.store.run_store import Run, RunStore
from morphoquant.store.writer import RunWriter

SHARD = 32


class Batches(Protocol):
    """A sequence of batches that makes them when it is sliced."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: slice) -> Iterable[Mapping[str, Any]]: ...


@dataclass(frozen=True)
class _Job:
    """One (method, spec) pair that is not in the cache yet."""

    method: Method
    spec: QuantSpec
    writer: RunWriter


def quantize(
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
    seed: int = 0,
    held: Held | None = None,
    progress: Progress = silent,
) -> list[Run]:
    """Fits each (method, spec) pair to `capture` and measures it on `batches`; pairs already in the cache are not repeated.

    Args:
        model: the captured model, in full precision.
        capture: a finished capture run of it.
        batches: evaluation batches, processor outputs; anything with a length that can be sliced.
        methods: pairs of a method and a spec.
        store: where the runs go.
        identity: the model's identity, as in the capture's plan.
        data: identity of the batches: {"id", "fingerprint", "samples"}.
        control: special tokens and template spans of the model's tokenizer.
        scope: parts of the model to quantise.
        seed: of the run's plan.
        held: fits that are found already, and are added to.
        progress: told what is done.

    Returns:
        The finished runs, in the order of `methods`.

    Raises:
        SpecError: a method cannot honour its spec.
        ModelError: `capture` is of another model, or the scope names no captured part.
    """
    check_model(capture, identity)
    parts = parts_of(scope)
    plans = [_plan(method, spec, capture, identity, data, parts, seed) for method, spec in methods]
    for method, spec in methods:
        method.check(spec)
    pairs = {plan.run_id: pair for plan, pair in zip(plans, methods, strict=True)}
    with store.unfinished(plans, progress) as writers:
        jobs = [_Job(*pairs[run_id], writer) for run_id, writer in writers.items()]
        if jobs:
            _run(model, capture, batches, jobs, control, parts, held, progress)
    return [store.open(plan.run_id) for plan in plans]


def _run(model, capture: Run, batches: Batches, jobs: list[_Job], control, parts: list[Component], held, progress) -> None:
    started = time.monotonic()
    inputs = CalibrationInputs(capture, model, parts)
    fits = fit([(job.method, job.spec) for job in jobs], inputs, progress, held)
    fitted = time.monotonic()
    total = len(batches)
    first = min(job.writer.next_batch for job in jobs)
    for begin in range(first, total, SHARD):
        end = min(begin + SHARD, total)
        todo = [place for place, job in enumerate(jobs) if job.writer.next_batch == begin]
        measure = Measure([fits[place] for place in todo])
        with ModalityHooks(model, measure, control) as hooks:
            for done, batch in enumerate(batches[begin:end], begin + 1):
                hooks.run(batch)
                progress("measuring", done, total)
        for place, measured in zip(todo, measure.results, strict=True):
            held = {"tokens": [tables.tokens_table(hooks.tokens, begin)], **_sums(measured)}
            jobs[place].writer.write_shard(begin, end, held)
    for place, (job, found) in enumerate(zip(jobs, fits, strict=True)):
        progress("storing", place, len(jobs))
        job.writer.finish(_final(capture, inputs, job.writer, found), _summary(capture, found, started, fitted))
    progress("storing", len(jobs), len(jobs))


def _sums(measured: Measured) -> dict[str, list]:
    return {"errors": [tables.errors_table(measured)], "grid_use": list(tables.grid_use_tables(measured))}


def _final(capture: Run, inputs: CalibrationInputs, writer: RunWriter, fits: Mapping[str, GroupFit]) -> dict[str, list]:
    scope = inputs.layers["layer"].tolist()
    final = {
        "layers": [capture.table("layers", where={"layer": scope})],
        "tokens": writer.shard_tables("tokens"),
        "errors": [tables.added_up("errors", writer.shard_tables("errors"))],
    }
    grids = list(tables.grids_tables(fits))
    if grids:
        final["grids"] = grids
        final["grid_use"] = [tables.added_up("grid_use", writer.shard_tables("grid_use"))]
    return final


def _summary(capture: Run, fits: Mapping[str, GroupFit], started: float, fitted: float) -> dict[str, Any]:
    cost = total_cost(fits.values())
    densities = [fit.bypass_density for fit in fits.values() if fit.bypass_density is not None]
    return {
        "model": capture.header.summary.get("model"),
        "bypass_density_of_fit": sum(densities) / len(densities) if densities else None,
        "fit_seconds": round(fitted - started, 1),
        "cost": {
            "calibration_seconds": round(sum(fit.seconds for fit in fits.values()), 2),
            "extra_macs_percent": 100 * cost.extra_share,
            "extra_bytes": round(cost.extra_bytes),
            "deployable": cost.deployable,
        },
        "measure_seconds": round(time.monotonic() - fitted, 1),
        "arithmetic": "simulated in float32",
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def _plan(method: Method, spec: QuantSpec, capture: Run, identity, data, parts: list[Component], seed: int) -> RunPlan:
    return RunPlan(
        kind="quantize",
        model=dict(identity),
        data=dict(data),
        options={"scope": [str(part) for part in parts], "inputs": "full precision"},
        seed=seed,
        code=__version__,
        capture=capture.run_id,
        method=method.name,
        fields=method.options(),
        spec=str(spec),
    )
