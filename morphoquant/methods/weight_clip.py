"""AWQ's clip search: how far the range of each output channel's weight groups is cut before rounding."""

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
    reach = _groups(w, group).abs().amax(-1, keepdim=True)
    best, least = torch.ones_like(reach), _errors(rows, rounded - w, group)
    for step in range(1, STEPS):
        ratio = 1 - step * (1 - LOWEST) / (STEPS - 1)
        tried = fit_weights(with_weights(inputs, {layer: _clamped(w, reach * ratio, group)}), spec)[layer]
        errors = _errors(rows, tried - w, group)
        better = errors < least
        least = torch.where(better, errors, least)
        best = torch.where(better[..., None], ratio, best)
    if bool((best == 1).all()):
        return rounded
    clipped = fit_weights(with_weights(inputs, {layer: _clamped(w, reach * best, group)}), spec)[layer]
    return clipped if _total(rows, clipped - w) < _total(rows, rounded - w) else rounded


def _groups(w: Tensor, group: int) -> Tensor:
    return w.reshape(len(w), -1, group)


def _clamped(w: Tensor, reach: Tensor, group: int) -> Tensor:
    grouped = _groups(w, group)
    return torch.maximum(torch.minimum(grouped, reach), -reach).reshape(w.shape)


def _errors(rows: Tensor, off: Tensor, group: int) -> Tensor:
    """Squared error of the partial products of each output and group [out, groups]."""
    parts = [
        (rows[:, start : start + group] @ off[:, start : start + group].to(rows.dtype).T).square().sum(0)
        for start in range(0, off.shape[1], group)
    ]
    return torch.stack(parts, 1)


def _total(rows: Tensor, off: Tensor) -> float:
    return float((rows @ off.to(rows.dtype).T).double().square().sum())
