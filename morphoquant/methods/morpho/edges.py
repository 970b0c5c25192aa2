"""Base edges of each channel's grid, before the search, and the magnitude above which masked values bypass."""

import numpy as np
import torch
from torch import Tensor

from morphoquant.methods.base import TokenSample
from morphoquant.methods.morpho.settings import Settings
from morphoquant.quant import edges
from morphoquant.quant.bypass import EVERY_VALUE


def base_edges(low: np.ndarray, high: np.ndarray, masked: np.ndarray, settings: Settings) -> tuple[np.ndarray, np.ndarray]:
    """Edges from the extremes.

    Args:
        low: smallest value of each channel [K].
        high: largest value [K].
        masked: outlier channels [K].
        settings: edge and one_signed are read.

    Returns:
        Lower and upper edge [K].
    """
    return edges.base_edges(low, high, masked, settings.edge, settings.one_signed)


def density_floor(sample: TokenSample, masked: np.ndarray, density: float) -> Tensor:
    """Smallest limit at which at most a share `density` of each masked channel's sampled values lies above it.

    Returns:
        float32 [K], `EVERY_VALUE` for channels that are not masked and where nothing binds.
    """
    floor = torch.full((sample.x.shape[1],), EVERY_VALUE)
    where = torch.from_numpy(np.flatnonzero(masked))
    if density >= 1 or not len(where) or not len(sample.x):
        return floor
    values, order = sample.x[:, where].abs().sort(dim=0, descending=True)
    share = (sample.weights / sample.weights.sum())[order].cumsum(0)
    # The first value at which the share is exceeded stays on the grid, and everything below it.
    first = (share > density * (1 + 1e-12)).int().argmax(0)
    floor[where] = values[first, torch.arange(len(where))]
    return floor
