"""quantize: fits methods to a capture run and measures their errors on other samples. One pass serves many methods."""

import platform
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import pyarrow as pa
import torch
from torch import nn

from morphoquant import __version__
from morphoquant.core.layers import Component
from morphoquant.core.plan import RunPlan
from morphoquant.core.progress import Progress, silent
from morphoquant.core.spec import QuantSpec
from morphoquant.hooks.modality_hooks import ModalityHooks
from morphoquant.methods.base import GroupFit, Method
from morphoquant.models.control import ControlTokens
from morphoquant.quant.experts import experts_apart
from morphoquant.queries.input_use import use_of
from morphoquant.runs import tables
from morphoquant.runs.budget import room
from morphoquant.runs.division import Division, spans
from morphoquant.runs.fitting import Fitting, Held
from morphoquant.runs.group_parts import Found
from morphoquant.runs.inputs import CalibrationInputs
from morphoquant.runs.measure import Measure, Measured
from morphoquant.runs.quantize_in_passes import fit_and_measure
from morphoquant.runs.scope import check_model, parts_of
from morphoquant.store.run_store import Run, RunStore
from morphoquant.store.writer import RunWriter

SHARD = 32


class Batches(Protocol):
    """A sequence of batches that makes them when it is sliced."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: slice) -> Iterable[Mapping[str, Any]]: ...


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
    memory: int | None = None,
    together: bool = False,
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
        memory: bytes that the process may take: where the quantised weights do not fit, groups are fitted and measured a few at a
            time, and nothing is held. Absent: no bound.
        together: other processes do the same: they share the batches, but for a bound. Each finds the fits.
        progress: told what is done.

    Returns:
        The finished runs, in the order of `methods`.

    Raises:
        SpecError: a method cannot honour its spec.
        ModelError: `capture` is of another model, or the scope names no captured part; or the memory is too little.
    """
    check_model(capture, identity)
    parts = parts_of(scope)
    plans = [_plan(method, spec, capture, identity, data, parts, seed) for method, spec in methods]
    for method, spec in methods:
        method.check(spec)
    pairs = {plan.run_id: pair for plan, pair in zip(plans, methods, strict=True)}
    measuring = _Measuring(model, capture, batches, plans, pairs, store, control, parts, held, progress)
    division = Division(store, plans, spans(len(batches), SHARD), measuring.shard)
    # Within a bound a pass goes over all batches for a few groups: one process does it, and the others wait.
    waiting = division.helping(progress) if together and memory is None else progress
    with experts_apart(model), store.unfinished(plans, waiting) as writers:
        if writers:
            _run(measuring, division, writers, memory)
    return [store.open(plan.run_id) for plan in plans]


def _run(measuring: "_Measuring", division: Division, writers: dict[str, RunWriter], memory: int | None) -> None:
    started, progress = time.monotonic(), measuring.progress
    if memory is None:
        division.complete(writers, progress)
        found, fit_seconds = [Found.of(measuring.fits[run_id]) for run_id in writers], measuring.fit_seconds
    else:
        pairs = [measuring.pairs[run_id] for run_id in writers]
        found, fit_seconds = measuring.within(list(writers.values()), pairs, room(memory, measuring.model))
    for place, (writer, own) in enumerate(zip(writers.values(), found, strict=True)):
        progress("storing", place, len(writers))
        seconds = fit_seconds, time.monotonic() - started - fit_seconds
        inputs = measuring.inputs
        writer.finish(
            _final(measuring.capture, inputs, writer, own.grids), _summary(measuring.capture, own, inputs.unseen, *seconds)
        )
    progress("storing", len(writers), len(writers))


@dataclass(eq=False)
class _Measuring:
    """Fits the methods of runs that are not finished, when the first shard is measured, and measures shards.

    Attributes:
        plans: of the runs.
        pairs: method and spec of each, by run_id.
        fit_seconds: what the fits took.
    """

    model: nn.Module
    capture: Run
    batches: Batches
    plans: Sequence[RunPlan]
    pairs: Mapping[str, tuple[Method, QuantSpec]]
    store: RunStore
    control: ControlTokens | None
    parts: Sequence[Component]
    held: Held | None
    progress: Progress
    fit_seconds: float = 0.0

    @cached_property
    def inputs(self) -> CalibrationInputs:
        """What the capture says of the groups."""
        return CalibrationInputs(self.capture, self.model, self.parts)

    @cached_property
    def fits(self) -> dict[str, dict[str, GroupFit]]:
        """Fits by group, by run_id."""
        started = time.monotonic()
        missing = list(dict.fromkeys(plan.run_id for plan in self.plans if self.store.finished(plan) is None))
        fitting = Fitting([self.pairs[run_id] for run_id in missing], self.inputs, self.progress)
        found = fitting.fit(self.inputs.groups, self.progress, self.held or Held())
        self.fit_seconds = time.monotonic() - started
        return dict(zip(missing, found, strict=True))

    def shard(self, first: int, end: int, run_ids: list[str]) -> Iterator[tuple[str, dict[str, list]]]:
        """The tables of batches [first, end) for some of the runs."""
        measure, total = Measure([self.fits[run_id] for run_id in run_ids]), len(self.batches)
        with ModalityHooks(self.model, measure, self.control) as hooks:
            for done, batch in enumerate(self.batches[first:end], first + 1):
                hooks.run(batch)
                self.progress("measuring", done, total)
        for run_id, measured in zip(run_ids, measure.results, strict=True):
            yield run_id, {"tokens": [tables.tokens_table(hooks.tokens, first)], **_sums(measured)}

    def within(self, writers: list[RunWriter], pairs: Sequence[tuple[Method, QuantSpec]], limit: int):
        """Fits and measures within a bound of memory; see `fit_and_measure`."""
        fitting = Fitting(pairs, self.inputs, self.progress)
        given = self.model, self.batches, fitting, writers, self.inputs, self.control
        return fit_and_measure(*given, limit, SHARD, self.progress)


def _sums(measured: Measured) -> dict[str, list]:
    return {"errors": [tables.errors_table(measured)], "grid_use": list(tables.grid_use_tables(measured))}


def _final(capture: Run, inputs: CalibrationInputs, writer: RunWriter, grids: list[pa.Table]) -> dict[str, list]:
    scope = inputs.layers["layer"].tolist()
    final = {
        "layers": [capture.table("layers", where={"layer": scope})],
        "tokens": writer.shard_tables("tokens"),
        "errors": [tables.added_up("errors", writer.shard_tables("errors"))],
    }
    if grids:
        final["grids"] = grids
        final["grid_use"] = tables.by_group(tables.added_up("grid_use", writer.shard_tables("grid_use")))
        final = tables.summed_up(final, "grid_use", "input_use", use_of)
    return final


def _summary(capture: Run, found: Found, unseen: list[str], fit_seconds: float, measure_seconds: float) -> dict[str, Any]:
    cost = found.cost
    return {
        "model": capture.header.summary.get("model"),
        "bypass_density_of_fit": found.bypassed / found.values if found.values else None,
        "unseen": unseen,  # linears of experts that stay in full precision
        "fit_seconds": round(fit_seconds, 1),
        "cost": {
            "calibration_seconds": round(found.seconds, 2),
            "extra_macs_percent": 100 * cost.extra_share,
            "extra_bytes": round(cost.extra_bytes),
            "deployable": cost.deployable,
        },
        "measure_seconds": round(measure_seconds, 1),
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
