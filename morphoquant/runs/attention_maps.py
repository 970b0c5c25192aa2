"""Attention in full precision against quantised: small maps that keep the boundaries of modalities, and how far from such a
boundary attention moves."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from morphoquant.core.modality import PADDING, POSITIONS, Position, unslot

CELLS = 48  # on each side of a map
HEADS = 2  # beside the mean over all
_BITS = 8  # kept of the 23 of a weight's fraction
_FIRST = POSITIONS.index(Position.FIRST)


@dataclass(frozen=True, eq=False)
class Places:
    """Positions of one sequence, padding left out.

    Attributes:
        kept: indices of the positions that are no padding.
        modality: index of the modality of each.
        first: whether each is the first of its sequence.
        distance: tokens to the nearest of another modality; 0 where there is none.
    """

    kept: Tensor
    modality: np.ndarray
    first: np.ndarray
    distance: np.ndarray

    @classmethod
    def of(cls, slots: Tensor) -> "Places":
        """Of slot labels int8 [positions]."""
        kept = (slots != PADDING).nonzero().flatten()
        labels = slots[kept].long().cpu().numpy()
        modality = labels // len(POSITIONS)
        return cls(kept, modality, labels % len(POSITIONS) == _FIRST, _distances(modality))

    def of_weights(self, weights: Tensor) -> Tensor:
        """Weights [heads, positions, positions] without padding."""
        return weights[:, self.kept][:, :, self.kept]


def moved(full: Tensor, quantised: Tensor) -> Tensor:
    """Share of each row's attention that moves: half the sum of absolute differences (total variation), in 0..1.

    Args:
        full: weights [heads, positions, positions]; each row sums to 1.
        quantised: likewise.

    Returns:
        float32 [heads, positions].
    """
    return (quantised - full).abs().sum(-1) / 2


def maps(full: Tensor, quantised: Tensor, places: Places) -> list[dict[str, Any]]:
    """Rows of the table attention: the mean over heads, then the heads that move most, without sample, module and block."""
    counted = torch.from_numpy(~places.first)
    if not bool(counted.any()):
        return []
    by_head = moved(full, quantised)[:, counted].mean(1)
    heads = by_head.argsort(descending=True, stable=True)[:HEADS].tolist() if len(full) > 1 else []
    starts = cells(places.modality)
    shared = {
        "positions": len(places.modality),
        "cells": starts.tolist(),
        "modalities": [str(unslot(int(label) * len(POSITIONS))[0]) for label in places.modality[starts]],
    }
    pairs = [(None, full.mean(0), quantised.mean(0)), *((head, full[head], quantised[head]) for head in heads)]
    return [
        {
            **shared,
            "head": head,
            "moved": float(moved(one[None], other[None])[0, counted].mean()),
            "full": _listed(_largest(one.numpy(), starts)),
            "quantised": _listed(_largest(other.numpy(), starts)),
            "change": _listed(_largest_either_way((other - one).numpy(), starts)),
        }
        for head, one, other in pairs
    ]


def by_distance(full: Tensor, quantised: Tensor, places: Places) -> list[dict[str, Any]]:
    """Rows of the table attention_distance, without module and block; none for a sequence of one modality."""
    share = moved(full, quantised).double().sum(0).numpy()
    other = torch.from_numpy(places.modality[:, None] != places.modality[None, :]) & torch.from_numpy(~places.first)
    sides = [(weights.double() * other).sum((0, 2)).numpy() for weights in (full, quantised)]
    counted = ~places.first & (places.distance > 0)
    binned = np.where(counted, 2 ** np.log2(np.maximum(places.distance, 1)).astype(int), 0)
    rows = []
    for label, distance in sorted(set(zip(places.modality[counted].tolist(), binned[counted].tolist(), strict=True))):
        own = counted & (places.modality == label) & (binned == distance)
        sums: Mapping[str, np.ndarray] = {"moved": share, "other_full": sides[0], "other_quantised": sides[1]}
        key = {"modality": str(unslot(label * len(POSITIONS))[0]), "distance": distance, "rows": int(own.sum()) * len(full)}
        rows.append({**key, **{name: float(values[own].sum()) for name, values in sums.items()}})
    return rows


def cells(modality: np.ndarray, most: int = CELLS) -> np.ndarray:
    """First position of each cell: as many even steps within runs of one modality as `most` allows.

    Where there are more runs than `most`, a cell is a run.
    """
    starts = np.concatenate([[0], np.flatnonzero(np.diff(modality)) + 1])
    lengths = np.diff([*starts, len(modality)])
    step = next(step for step in range(1, len(modality) + 1) if np.ceil(lengths / step).sum() <= max(most, len(starts)))
    return np.concatenate([np.arange(start, start + length, step) for start, length in zip(starts, lengths, strict=True)])


def _distances(modality: np.ndarray) -> np.ndarray:
    places = np.arange(len(modality))
    edges = np.flatnonzero(np.diff(modality)) + 1  # first positions behind a boundary
    if not len(edges):
        return np.zeros(len(modality), int)
    behind = np.searchsorted(edges, places, side="right")
    far = len(modality)
    left = np.where(behind > 0, places - edges[np.maximum(behind - 1, 0)] + 1, far)
    right = np.where(behind < len(edges), edges[np.minimum(behind, len(edges) - 1)] - places, far)
    return np.minimum(left, right)


def _largest(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    return np.maximum.reduceat(np.maximum.reduceat(values, starts, 0), starts, 1)


def _largest_either_way(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    high, low = _largest(values, starts), -_largest(-values, starts)
    return np.where(high >= -low, high, low)


def _listed(values: np.ndarray) -> list[float]:
    """Flat, rounded to few significant bits: a map is looked at, and rounded numbers take half the room."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    half = np.uint32(1 << (22 - _BITS))
    return ((bits + half) & ~np.uint32((1 << (23 - _BITS)) - 1)).view(np.float32).ravel().tolist()
