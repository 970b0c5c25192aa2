"""The same pass over a block of rows in torch operations, for tensors that are not in the CPU's memory.

Counts, extremes, bins and largest magnitudes equal the CPU kernel's exactly, moments to rounding. Histograms stay on the
device until they are read; everything else of a block is small.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from morphoquant.stats.bins import BIN_COUNT, FIRST_CODE, MANTISSA_SHIFT, SIGN_BINS
from morphoquant.stats.magnitudes import LARGEST
from morphoquant.stats.moments import Moments

# Bounds the temporaries of the histogram: 8 bytes a value.
_CHUNK_VALUES = 1 << 24


@dataclass(frozen=True, eq=False)
class Part:
    """Statistics of one block of rows; arrays [K], keys [K, LARGEST]."""

    nans: np.ndarray
    infs: np.ndarray
    low: np.ndarray
    high: np.ndarray
    moments: Moments
    sums_abs: np.ndarray
    keys: np.ndarray


def block_part(x: Tensor) -> Part:
    """Everything but the histogram of rows [rows, K], float32, on any device."""
    finite = torch.isfinite(x)
    count = finite.sum(0)
    wide = torch.where(finite, x, 0).double()
    nb = count.clamp(min=1).double()
    mean = wide.sum(0) / nb
    deviation = torch.where(finite, wide - mean, 0)
    residual = deviation.sum(0) / nb
    mean = mean + residual
    deviation = torch.where(finite, wide - mean, 0)
    square = deviation * deviation
    powers = [square.sum(0), (square * deviation).sum(0), (square * square).sum(0)]
    bits = x.view(torch.int32).long() & 0xFFFFFFFF
    keys = torch.where(finite, ((bits << 1) & 0xFFFFFFFF) | (1 - (bits >> 31)), 0)
    keys = torch.nn.functional.pad(keys, (0, 0, 0, max(0, LARGEST - len(x)))).topk(LARGEST, dim=0).values
    return Part(
        nans=torch.isnan(x).sum(0).cpu().numpy(),
        infs=torch.isinf(x).sum(0).cpu().numpy(),
        low=torch.where(finite, x, torch.inf).amin(0).cpu().numpy(),
        high=torch.where(finite, x, -torch.inf).amax(0).cpu().numpy(),
        moments=Moments(*(value.cpu().numpy() for value in (count, mean, *powers))),
        sums_abs=wide.abs().sum(0).cpu().numpy(),
        keys=keys.T.contiguous().cpu().numpy().astype(np.uint32),
    )


def add_histogram(x: Tensor, counters: Tensor) -> None:
    """Adds rows [rows, K] to int32 counters [K * BIN_COUNT] on the same device."""
    channels = x.shape[1]
    base = torch.arange(channels, device=x.device) * BIN_COUNT
    for chunk in x.split(max(1, _CHUNK_VALUES // channels)):
        bits = chunk.view(torch.int32).long() & 0xFFFFFFFF
        code = (((bits & 0x7FFFFFFF) >> MANTISSA_SHIFT) - FIRST_CODE).clamp(0, SIGN_BINS - 1) + SIGN_BINS * (bits >> 31)
        index = (code + base)[torch.isfinite(chunk)]
        counters.scatter_add_(0, index, torch.ones_like(index, dtype=torch.int32))
