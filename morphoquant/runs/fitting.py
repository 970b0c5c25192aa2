"""Fitting methods to a capture: each group's inputs are read once and handed to every method, and no fit is found twice."""

import time
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from threading import Lock

import torch
from torch import Tensor

from morphoquant.core.errors import ModelError
from morphoquant.core.progress import Progress, silent
from morphoquant.core.spec import QuantSpec
from morphoquant.methods.base import GroupFit, GroupInputs, Method, Need
from morphoquant.methods.blocks import BlockCall
from morphoquant.quant.residence import is_stand_in, stand_in
from morphoquant.runs.allocated import Allocated
from morphoquant.runs.blocks import Blocks, Flow
from morphoquant.runs.inputs import CalibrationInputs
from morphoquant.runs.lanes import Piece, lanes, side_by_side
from morphoquant.runs.spilled import Spilled, WeightFile


@dataclass(frozen=True, eq=False)
class Held:
    """What fits have found so far, for further ones: by other captures, or for another scope.

    Attributes:
        weights: quantised weights by layer; equal ones are one tensor, or one file.
        fits: by everything that a group's fit depends on.
        folder: where the weights go, so that they take no memory; absent: they are held.
    """

    weights: dict[str, list[Tensor | WeightFile]] = field(default_factory=dict)
    fits: dict[Hashable, GroupFit] = field(default_factory=dict)
    folder: Path | None = None
    _lock: Lock = field(default_factory=Lock)

    def keep(self, key: Hashable, fitted: GroupFit) -> GroupFit:
        """Keeps a fit, and returns it as it is kept; several threads may."""
        with self._lock:
            self.fits[key] = kept = self._sharing(fitted)
        return kept

    def _sharing(self, fitted: GroupFit) -> GroupFit:
        """`fitted` with each weight replaced by an equal one already held, so that methods of one weight format share memory."""
        shared: dict[str, Tensor | WeightFile] = {}
        for layer, weight in fitted.weights.items():
            if is_stand_in(weight):
                shared[layer] = weight
                continue
            known = self.weights.setdefault(layer, [])
            twin = next((other for other in known if other is weight or torch.equal(_tensor(other), weight)), None)
            if twin is None:
                twin = weight if self.folder is None else WeightFile.of(weight, self.folder)
                known.append(twin)
            shared[layer] = twin
        parts = {modality: self._sharing(part) for modality, part in fitted.by_modality.items()}
        return replace(fitted, weights=shared if self.folder is None else Spilled(shared), by_modality=parts)


def fit(
    methods: Sequence[tuple[Method, QuantSpec]],
    inputs: CalibrationInputs,
    progress: Progress = silent,
    held: Held | None = None,
) -> list[dict[str, GroupFit]]:
    """Fits each (method, spec) pair to every group in scope.

    Args:
        methods: the pairs.
        inputs: what a capture says of the groups.
        progress: told what is done.
        held: what is found already, and is added to.

    Returns:
        For each pair, in order, its fits by group name, each with the seconds that it took and an even share of those that
        measuring gradients for it took. Equal quantised weights are one tensor.

    Raises:
        SpecError: a method cannot honour its spec; raised before any work.
        ModelError: a method is fitted to blocks, and the capture keeps no sequences to run them on; or it needs gradients, and
            none were measured.
    """
    return Fitting(methods, inputs, progress).fit(inputs.groups, progress, Held() if held is None else held)


class Fitting:
    """(method, spec) pairs that are fitted to some groups after others, in the order of the model.

    Args:
        methods: the pairs.
        inputs: what a capture says of the groups.
        progress: told what will be left out.

    Raises:
        SpecError: a method cannot honour its spec.
    """

    def __init__(self, methods: Sequence[tuple[Method, QuantSpec]], inputs: CalibrationInputs, progress: Progress = silent):
        for method, spec in methods:
            method.check(spec)
        if inputs.unseen:
            progress(f"{len(inputs.unseen)} linears of experts that saw no token stay in full precision", 0, 0)
        self._inputs = inputs
        self._pairs = [
            (method, spec, method.survey(inputs.summaries), Flow() if Need.BLOCKS in method.needs else None)
            for method, spec in methods
        ]
        self._needs = frozenset().union(*(method.needs for method, _ in methods)) - {Need.BLOCKS}

    @property
    def methods(self) -> list[Method]:
        """Those of the pairs."""
        return [method for method, *_ in self._pairs]

    @property
    def by_block(self) -> bool:
        """Whether a method is fitted to whole blocks."""
        return any(flow for *_, flow in self._pairs)

    def fit(self, groups: Sequence[str], progress: Progress, held: Held) -> list[dict[str, GroupFit]]:
        """The fits of `groups`, those of a block together, for each pair.

        Raises:
            ModelError: as `fit`.
        """
        return self._fit(self._pairs, groups, progress, held)

    def pass_over(self, groups: Sequence[str], progress: Progress) -> None:
        """Comes past `groups`, whose fits nobody needs any more: only methods that are fitted to blocks are fitted to them, since
        what such a block leaves is where the next one begins.

        Raises:
            ModelError: as `fit`.
        """
        self._fit([pair for pair in self._pairs if pair[-1] is not None], groups, progress, Held())

    def _fit(self, pairs: Sequence[tuple], groups: Sequence[str], progress: Progress, held: Held) -> list[dict[str, GroupFit]]:
        inputs = self._inputs
        jobs = [_Job(*pair, _measured(pair[0], inputs), held, inputs) for pair in pairs]
        for job in jobs:
            job.recall(groups)
        blocks = _blocks([job for job in jobs if len(job.fits) < len(groups)], inputs, groups)
        told = _Told(progress, sum(len(groups) - len(job.fits) for job in jobs))
        side_by_side(self._pieces(jobs, blocks, groups, told), lanes(inputs))
        return [{group: job.fits[group] for group in groups} for job in jobs]

    def _pieces(self, jobs: "list[_Job]", blocks: Blocks | None, groups: Sequence[str], told: "_Told") -> Iterator[Piece]:
        """What is fitted alone: first all that goes from block to block, since it runs the model, then each group by each job."""
        if blocks:
            yield partial(_through, blocks, [job for job in jobs if job.flow], groups, told)
        for group in groups:
            alone = [job for job in jobs if group not in job.fits and not (job.flow and blocks and blocks.holding(group))]
            if alone:
                given = self._inputs.group(group, self._needs)
                alike: dict[Hashable, list[_Job]] = {}
                for job in alone:
                    alike.setdefault(job.key(group), []).append(job)
                yield from (partial(_one_for_all, some, given, told) for some in alike.values())


@dataclass(frozen=True, eq=False)
class _Job:
    """One (method, spec) pair.

    Attributes:
        method: the method.
        spec: the spec.
        survey: what the method has seen of all groups.
        flow: for methods fitted to blocks, what those fitted so far leave.
        measured: seconds a group that measuring gradients for the method took.
        held: what was found for other jobs.
        inputs: what the capture says of the groups.
        fits: what is found, by group.
    """

    method: Method
    spec: QuantSpec
    survey: object | None
    flow: Flow | None
    measured: float
    held: Held
    inputs: CalibrationInputs
    fits: dict[str, GroupFit] = field(default_factory=dict)

    def recall(self, groups: Sequence[str]) -> bool:
        """Takes over those fits of `groups` that are held; whether it was all of them."""
        for group in groups:
            found = self.held.fits.get(self.key(group))
            if found is not None:
                self.fits[group] = found
        return all(group in self.fits for group in groups)

    def fit_group(self, given: GroupInputs, told: "_Told") -> None:
        """Fits one group."""
        if not self.recall([given.group]):
            started = time.monotonic()
            fitted = self.method.fit(given, self.spec, self.survey)
            fitted = replace(fitted, seconds=fitted.seconds + time.monotonic() - started + self.measured)
            if self.survey is None:
                given.found[self.method, self.spec] = fitted
            self._hold(fitted, given)
        told.of(1)

    def fit_block(self, blocks: Blocks, name: str, calls: list[BlockCall], told: "_Told") -> None:
        """Fits all groups of a block in work, which share the time that it took evenly."""
        block = blocks.inputs(name, self.flow.into(calls), self.method.needs)
        started = time.monotonic()
        fitted = self.method.fit_block(block, self.spec, self.survey)
        seconds = (time.monotonic() - started) / len(fitted) + self.measured
        self.flow.out_of(block, fitted)
        for group, found in fitted.items():
            self._hold(replace(found, seconds=seconds), block.groups[group])
        told.of(len(fitted))

    def _hold(self, fitted: GroupFit, given: GroupInputs) -> None:
        if self.inputs.copies:
            fitted = _without_originals(fitted, given.weights)
        self.fits[given.group] = self.held.keep(self.key(given.group), fitted)

    def key(self, group: str) -> Hashable:
        """Equal for equal fits of a group. Where a method looks at all groups first, they depend on which these are."""
        others = None if self.survey is None else tuple(self.inputs.groups)
        method, spec = self.method.at(group, self.spec) if isinstance(self.method, Allocated) else (self.method, self.spec)
        return self.inputs.run.run_id, method, str(spec), others, group


class _Told:
    """Progress of fits, which several threads make."""

    def __init__(self, progress: Progress, total: int):
        self._progress, self._total, self._done, self._lock = progress, total, 0, Lock()
        self.of(0)

    def of(self, more: int) -> None:
        """So many more are done."""
        with self._lock:
            self._done += more
            self._progress("fitting", self._done, self._total)


def _one_for_all(jobs: Sequence[_Job], given: GroupInputs, told: _Told) -> None:
    """Fits a group by the first of jobs whose fits of it are equal; the others take it over."""
    for job in jobs:
        job.fit_group(given, told)


def _through(blocks: Blocks, jobs: Sequence[_Job], groups: Sequence[str], told: _Told) -> None:
    """Fits jobs to the blocks that hold `groups`, one block after the other."""
    for group in groups:
        todo = [job for job in jobs if group not in job.fits]
        if todo and (name := blocks.holding(group)) is not None:
            _block_for_all(todo, blocks, name, told)


def _block_for_all(jobs: Sequence[_Job], blocks: Blocks, name: str, told: _Told) -> None:
    """Fits each of jobs to one block, of which nothing is left in float32 at the end."""
    with blocks.in_work(name) as calls:
        for job in jobs:
            job.fit_block(blocks, name, calls, told)


def _measured(method: Method, inputs: CalibrationInputs) -> float:
    return inputs.gradients.seconds / len(inputs.groups) if Need.GRADIENTS in method.needs else 0.0


def _blocks(jobs: Sequence[_Job], inputs: CalibrationInputs, groups: Sequence[str]) -> Blocks | None:
    """The model's blocks that hold some of the groups, if a method is fitted to them."""
    names = [job.method.name for job in jobs if job.flow]
    if not names:
        return None
    if not inputs.run.has("sequences"):
        raise ModelError(
            f"run {inputs.run.run_id!r} keeps no whole sequences, and {names[0]} is fitted to blocks run on such: "
            "delete the run and capture the model again, or choose the method's fields so that it looks at single groups."
        )
    return Blocks(inputs, groups)


def _without_originals(fitted: GroupFit, originals: Mapping[str, Tensor]) -> GroupFit:
    """`fitted` with stand-ins for weights that are not quantised: they were read for the fit, and are read again to be used."""
    weights = {
        layer: stand_in(weight) if weight.data_ptr() == originals[layer].data_ptr() else weight
        for layer, weight in fitted.weights.items()
    }
    parts = {modality: _without_originals(part, originals) for modality, part in fitted.by_modality.items()}
    return replace(fitted, weights=weights, by_modality=parts)


def _tensor(weight: Tensor | WeightFile) -> Tensor:
    return weight if isinstance(weight, Tensor) else weight.mapped()
