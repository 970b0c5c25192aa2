"""Weights cut at a magnitude before rounding, and AWQ's search for how far in each output channel and group."""

import torch
from torch import Tensor

from morphoquant.core.spec import QuantSpec
from morphoquant.methods.base import GroupInputs
from morphoquant.methods.basis import with_weights
from morphoquant.methods.weights import fit_weights

STEPS, LOWEST = 10, 0.55


def clip_weight(inputs: GroupInputs, layer: str, spec: QuantSpec, rows: Tensor, rounded: Tensor) -> Tensor:
    """The weight rounded after clipping.

    Args:
        inputs: the group, in the basis in use.
        layer: which of its weights.
        spec: number format; groups are its -g groups, else whole rows.
        rows: inputs in that basis, times the root of their shares [n, K].
        rounded: the weight rounded without clipping [out, K].

    Returns:
        The rounded weight whose error over `rows` is the smallest found for each output and group [out, K]; `rounded` itself
        where clipping all of them at once is no better, as may be in formats with one scale for the whole tensor.
    """
    w = inputs.weights[layer].detach()
    group = spec.w_group or w.shape[1]
    reach = reach_of(w, group)
    best, least = torch.ones_like(reach), _errors(rows, rounded - w, group)
    for step in range(1, STEPS):
        ratio = 1 - step * (1 - LOWEST) / (STEPS - 1)
        tried = fit_weights(with_weights(inputs, {layer: clamped(w, reach * ratio)}), spec)[layer]
        errors = _errors(rows, tried - w, group)
        better = errors < least
        least = torch.where(better, errors, least)
        best = torch.where(better[..., None], ratio, best)
    if bool((best == 1).all()):
        return rounded
    clipped = fit_weights(with_weights(inputs, {layer: clamped(w, reach * best)}), spec)[layer]
    return clipped if _total(rows, clipped - w) < _total(rows, rounded - w) else rounded


def reach_of(w: Tensor, group: int) -> Tensor:
    """Largest magnitude in each group of `group` inputs of each output channel [out, groups, 1], of a weight [out, K]."""
    return w.reshape(len(w), -1, group).abs().amax(-1, keepdim=True)


def clamped(w: Tensor, reach: Tensor) -> Tensor:
    """The weight [out, K] with each group cut at its magnitude, `reach` [out, groups, 1]."""
    groups = w.reshape(*reach.shape[:2], -1)
    return torch.maximum(torch.minimum(groups, reach), -reach).reshape(w.shape)


def _errors(rows: Tensor, off: Tensor, group: int) -> Tensor:
    """Squared error of the partial products of each output and group [out, groups]."""
    parts = [
        (rows[:, start : start + group] @ off[:, start : start + group].to(rows.dtype).T).square().sum(0)
        for start in range(0, off.shape[1], group)
    ]
    return torch.stack(parts, 1)


def _total(rows: Tensor, off: Tensor) -> float:
    return float((rows @ off.to(rows.dtype).T).double().square().sum())
