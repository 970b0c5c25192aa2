"""Fitting methods to a capture: each group's inputs are read once and handed to every method."""

import time
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from morphoquant.core.progress import Progress, silent, track
from morphoquant.core.spec import QuantSpec
from morphoquant.methods.base import GroupFit, Method
from morphoquant.runs.inputs import CalibrationInputs


def fit(
    methods: Sequence[tuple[Method, QuantSpec]],
    inputs: CalibrationInputs,
    progress: Progress = silent,
    known: dict[str, list[Tensor]] | None = None,
) -> list[dict[str, GroupFit]]:
    """Fits each (method, spec) pair to every group in scope.

    Args:
        methods: the pairs.
        inputs: what a capture says of the groups.
        progress: told what is done.
        known: quantised weights by layer that are held already, and are added to; for fits to several captures.

    Returns:
        For each pair, in order, its fits by group name, each with the seconds that it took. Equal quantised weights are one
        tensor.

    Raises:
        SpecError: a method cannot honour its spec; raised before any work.
    """
    for method, spec in methods:
        method.check(spec)
    surveys = [method.survey(inputs.summaries) for method, _ in methods]
    needs = frozenset().union(*(method.needs for method, _ in methods))
    fits: list[dict[str, GroupFit]] = [{} for _ in methods]
    seen = {} if known is None else known
    for group in track(inputs.groups, "fitting", len(inputs.groups), progress):
        given = inputs.group(group, needs)
        for found, survey, (method, spec) in zip(fits, surveys, methods, strict=True):
            started = time.monotonic()
            fitted = method.fit(given, spec, survey)
            fitted = replace(fitted, seconds=time.monotonic() - started)
            found[group] = _sharing(fitted, seen)
    return fits


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
