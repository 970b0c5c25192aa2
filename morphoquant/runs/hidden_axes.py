"""Hidden states in a plane: principal axes of a few full-precision ones, and the quantised ones along the same axes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from morphoquant.runs.attention_maps import Places

TOKENS = 300  # of all samples together, a block
AXES = 3
# A token this many times as long as the median token has massive activations, which would be an axis of their own.
MASSIVE = 5.0


def chosen_tokens(slots: Tensor, most: int) -> list[int]:
    """Positions whose hidden states are kept: evenly spaced, equally many of each modality where it has as many.

    The first token is left out: its massive activations would be an axis of their own.

    Args:
        slots: labels of one sequence, int8 [positions].
        most: positions at most.
    """
    places = Places.of(slots)
    labels = np.unique(places.modality[~places.first])
    each = max(1, most // max(len(labels), 1))
    found: list[int] = []
    for label in labels:
        own = places.kept.cpu().numpy()[(places.modality == label) & ~places.first]
        found += own[np.unique(np.linspace(0, len(own) - 1, min(each, len(own))).round().astype(int))].tolist()
    return sorted(found[:most])


@dataclass(frozen=True, eq=False)
class Plane:
    """What rows look like along their principal axes.

    Attributes:
        full: coordinates of the full-precision rows, float32 [rows, axes].
        quantised: of the quantised rows along the same axes, from the same centre.
        axes: rows of the table hidden_axes, without module and block.
    """

    full: np.ndarray
    quantised: np.ndarray
    axes: list[dict[str, Any]]


def plane(full: np.ndarray, quantised: np.ndarray) -> Plane | None:
    """Fits the axes to `full` and places both; None where `full` does not vary.

    Rows that are `MASSIVE` times as long as the median one are placed like all others, and neither fitted to nor counted in a
    share. Each axis points to where its largest loading is positive, so that equal rows give equal axes.

    Args:
        full: hidden states in full precision [rows, channels].
        quantised: those of the same tokens, quantised.

    Source: Pearson, "On lines and planes of closest fit to systems of points in space", 1901; by singular values.
    """
    x, other = full.astype(np.float64), quantised.astype(np.float64)
    lengths = np.linalg.norm(x, axis=1)
    usual = lengths <= MASSIVE * np.median(lengths)
    centre = x[usual].mean(0)
    _, sizes, axes = np.linalg.svd(x[usual] - centre, full_matrices=False)
    total = float((sizes**2).sum())
    count = min(AXES, int(usual.sum()) - 1, x.shape[1])
    if count < 1 or total == 0.0:
        return None
    axes = axes[:count]
    axes *= np.sign(axes[np.arange(count), np.abs(axes).argmax(1)])[:, None]
    spread, error = other[usual] - other[usual].mean(0), (other - x)[usual]
    shares = [_shares(values, axes) for values in (spread, error)]
    rows = [
        {
            "axis": axis,
            "share": float(sizes[axis] ** 2 / total),
            "quantised_share": shares[0][axis],
            "error_share": shares[1][axis],
        }
        for axis in range(count)
    ]
    return Plane(*(((values - centre) @ axes.T).astype(np.float32) for values in (x, other)), rows)


def _shares(values: np.ndarray, axes: np.ndarray) -> list[float | None]:
    total = float((values**2).sum())
    along = ((values @ axes.T) ** 2).sum(0)
    return [None if total == 0.0 else float(one / total) for one in along]
