"""Fitting methods to a capture: each group's inputs are read once and handed to every method, and no fit is found twice."""

import time
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from morphoquant.core.errors import ModelError
from morphoquant.core.progress import Progress, silent, track
from morphoquant.core.spec import QuantSpec
from morphoquant.methods.base import GroupFit, GroupInputs, Method, Need
from morphoquant.runs.allocated import Allocated
from morphoquant.runs.blocks import Blocks, Flow
from morphoquant.runs.inputs import CalibrationInputs


@dataclass(frozen=True, eq=False)
class Held:
    """What fits have found so far, for further ones: by other captures, or for another scope.

    Attributes:
        weights: quantised weights by layer; equal ones are one tensor.
        fits: by everything that a group's fit depends on.
    """

    weights: dict[str, list[Tensor]] = field(default_factory=dict)
    fits: dict[Hashable, GroupFit] = field(default_factory=dict)


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
    for method, spec in methods:
        method.check(spec)
    surveys = [method.survey(inputs.summaries) for method, _ in methods]
    held = Held() if held is None else held
    jobs = [
        _Job(method, spec, survey, Flow() if Need.BLOCKS in method.needs else None, _measured(method, inputs), held, inputs)
        for survey, (method, spec) in zip(surveys, methods, strict=True)
    ]
    for job in jobs:
        job.recall(inputs.groups)
    blocks = _blocks([job for job in jobs if len(job.fits) < len(inputs.groups)], inputs)
    needs = frozenset().union(*(method.needs for method, _ in methods)) - {Need.BLOCKS}
    for group in track(inputs.groups, "fitting", len(inputs.groups), progress):
        todo = [job for job in jobs if group not in job.fits]
        given = None
        for job in todo:
            name = blocks.holding(group) if blocks and job.flow else None
            if name is not None:
                job.fit_block(blocks, name)
            elif not job.recall([group]):
                given = given or inputs.group(group, needs)
                job.fit_group(given)
    return [{group: job.fits[group] for group in inputs.groups} for job in jobs]


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
            found = self.held.fits.get(self._key(group))
            if found is not None:
                self.fits[group] = found
        return all(group in self.fits for group in groups)

    def fit_group(self, given: GroupInputs) -> None:
        started = time.monotonic()
        fitted = self.method.fit(given, self.spec, self.survey)
        self._hold(given.group, replace(fitted, seconds=time.monotonic() - started + self.measured))

    def fit_block(self, blocks: Blocks, name: str) -> None:
        """Fits all groups of a block, which share the time that it took evenly."""
        block = blocks.inputs(name, self.flow.into(blocks.calls(name)), self.method.needs)
        started = time.monotonic()
        fitted = self.method.fit_block(block, self.spec, self.survey)
        seconds = (time.monotonic() - started) / len(fitted) + self.measured
        self.flow.out_of(block, fitted)
        for group, found in fitted.items():
            self._hold(group, replace(found, seconds=seconds))

    def _hold(self, group: str, fitted: GroupFit) -> None:
        self.fits[group] = self.held.fits[self._key(group)] = _sharing(fitted, self.held.weights)

    def _key(self, group: str) -> Hashable:
        """Where a method looks at all groups first, its fits depend on which these are."""
        others = None if self.survey is None else tuple(self.inputs.groups)
        method, spec = self.method.at(group, self.spec) if isinstance(self.method, Allocated) else (self.method, self.spec)
        return self.inputs.run.run_id, method, str(spec), others, group


def _measured(method: Method, inputs: CalibrationInputs) -> float:
    return inputs.gradients.seconds / len(inputs.groups) if Need.GRADIENTS in method.needs else 0.0


def _blocks(jobs: Sequence[_Job], inputs: CalibrationInputs) -> Blocks | None:
    """The model's blocks if a method is fitted to them."""
    names = [job.method.name for job in jobs if job.flow]
    if not names:
        return None
    if not inputs.run.has("sequences"):
        raise ModelError(
            f"run {inputs.run.run_id!r} keeps no whole sequences, and {names[0]} is fitted to blocks run on such: "
            "delete the run and capture the model again, or choose the method's fields so that it looks at single groups."
        )
    return Blocks(inputs)


def _sharing(fitted: GroupFit, seen: dict[str, list[Tensor]]) -> GroupFit:
    """`fitted` with each weight replaced by an equal one already held, so that methods of one weight format share memory."""
    shared: dict[str, Tensor] = {}
    for layer, weight in fitted.weights.items():
        known = seen.setdefault(layer, [])
        twin = next((other for other in known if other is weight or torch.equal(other, weight)), None)
        if twin is None:
            known.append(weight)
        shared[layer] = weight if twin is None else twin
    parts = {modality: _sharing(part, seen) for modality, part in fitted.by_modality.items()}
    return replace(fitted, weights=shared, by_modality=parts)
