"""The pass over a block of rows in torch operations, for tensors that are not in the CPU's memory.

Counts, extremes, bins and largest magnitudes equal the CPU kernel's exactly, moments to rounding. Nothing here waits for the
device: no value is read back, and no operation's shape depends on values, but for what
`numpy` and `filled` hand over in the end.
"""

from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from morphoquant.stats.bins import (
    BIN_COUNT,
    FINE_BASE,
    FINE_COUNT,
    FINE_SHIFT,
    FINE_SIGN,
    FIRST_CODE,
    MANTISSA_SHIFT,
    PARTS,
    SIGN_BINS,
)
from morphoquant.stats.magnitudes import LARGEST

# Bounds the temporaries of the histogram: 8 bytes a value.
_CHUNK_VALUES = 1 << 24
_BITS = 0xFFFFFFFF
_MAGNITUDE = 0x7FFFFFFF


@dataclass(frozen=True, eq=False)
class Part:
    """Statistics of rows, on their device.

    Attributes:
        count: finite values, float64 [K].
        nans, infs: int64 [K].
        low, high: float32 [K], infinite where nothing is finite.
        mean, m2, m3, m4: float64 [K], 0 where nothing is finite.
        sums_abs: float64 [K].
        keys: largest magnitudes as descending keys (`magnitudes.py`), int64 [LARGEST, K].
    """

    count: Tensor
    nans: Tensor
    infs: Tensor
    low: Tensor
    high: Tensor
    mean: Tensor
    m2: Tensor
    m3: Tensor
    m4: Tensor
    sums_abs: Tensor
    keys: Tensor

    @classmethod
    def of(cls, x: Tensor) -> "Part":
        """Everything but the histogram of rows [rows, K], float32."""
        finite = torch.isfinite(x)
        count = finite.sum(0).double()
        wide = torch.where(finite, x, 0).double()
        divisor = count.clamp(min=1)
        mean = wide.sum(0) / divisor
        deviation = torch.where(finite, wide - mean, 0)
        mean = mean + deviation.sum(0) / divisor
        deviation = torch.where(finite, wide - mean, 0)
        square = deviation * deviation
        bits = x.view(torch.int32).long() & _BITS
        keys = torch.where(finite, ((bits << 1) & _BITS) | (1 - (bits >> 31)), 0)
        return cls(
            count=count,
            nans=torch.isnan(x).sum(0),
            infs=torch.isinf(x).sum(0),
            low=torch.where(finite, x, torch.inf).amin(0),
            high=torch.where(finite, x, -torch.inf).amax(0),
            mean=mean,
            m2=square.sum(0),
            m3=(square * deviation).sum(0),
            m4=(square * square).sum(0),
            sums_abs=wide.abs().sum(0),
            keys=_largest(torch.nn.functional.pad(keys, (0, 0, 0, max(0, LARGEST - len(x))))),
        )

    def joined(self, other: "Part") -> "Part":
        """Both together; the moments by the formulas that the kernel joins tiles with."""
        na, nb = self.count, other.count
        delta = other.mean - self.mean
        step = delta / (na + nb).clamp(min=1)
        cross = delta * step * na * nb
        return Part(
            count=na + nb,
            nans=self.nans + other.nans,
            infs=self.infs + other.infs,
            low=torch.minimum(self.low, other.low),
            high=torch.maximum(self.high, other.high),
            mean=self.mean + step * nb,
            m2=self.m2 + other.m2 + cross,
            m3=self.m3 + other.m3 + cross * step * (na - nb) + 3 * step * (na * other.m2 - nb * self.m2),
            m4=self.m4
            + other.m4
            + cross * step * step * (na * na - na * nb + nb * nb)
            + 6 * step * step * (na * na * other.m2 + nb * nb * self.m2)
            + 4 * step * (na * other.m3 - nb * self.m3),
            sums_abs=self.sums_abs + other.sums_abs,
            keys=_largest(torch.cat([self.keys, other.keys])),
        )

    def numpy(self) -> dict[str, np.ndarray]:
        """The same on the host, keys as uint32 [K, LARGEST]."""
        found = {one.name: getattr(self, one.name).cpu().numpy() for one in fields(self)}
        return found | {"count": found["count"].astype(np.int64), "keys": found["keys"].T.astype(np.uint32)}

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(getattr(self, one.name).nbytes for one in fields(self))


def _largest(keys: Tensor) -> Tensor:
    return keys.topk(LARGEST, dim=0).values


def bins_of(x: Tensor) -> Tensor:
    """Bin of each float32 value, int64, as `bins.bin_of` says."""
    bits = x.view(torch.int32).long() & _BITS
    return (((bits & _MAGNITUDE) >> MANTISSA_SHIFT) - FIRST_CODE).clamp(0, SIGN_BINS - 1) + SIGN_BINS * (bits >> 31)


def fine_bins_of(x: Tensor) -> Tensor:
    """Fine bin of each float32 value, int64, as `fine.py` counts it."""
    bits = x.view(torch.int32).long() & _BITS
    fine = ((bits & _MAGNITUDE) >> FINE_SHIFT) - FINE_BASE
    return torch.where(fine < PARTS, 0, fine.clamp(max=FINE_SIGN - 1)) + FINE_SIGN * (bits >> 31)


def new_counters(channels: int, bins: int, device: torch.device) -> Tensor:
    """Zeros, int32 [channels * bins + 1]; the last one counts what is not finite, so that nothing need be left out."""
    return torch.zeros(channels * bins + 1, dtype=torch.int32, device=device)


def filled(counters: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Flat indices, ascending, of the bins that hold something, and their counts, int64, on the host."""
    index = counters[:-1].nonzero()[:, 0]
    return index.cpu().numpy(), counters[index].cpu().numpy().astype(np.int64)


def add_histogram(x: Tensor, counters: Tensor) -> None:
    """Adds rows [rows, K], float32, to `new_counters(K, BIN_COUNT)`."""
    _add(x, counters, BIN_COUNT, bins_of)


def add_fine(x: Tensor, counters: Tensor) -> None:
    """Adds rows [rows, K], float32, to `new_counters(K, FINE_COUNT)`."""
    _add(x, counters, FINE_COUNT, fine_bins_of)


def _add(x: Tensor, counters: Tensor, bins: int, bin_of) -> None:
    channels = x.shape[1]
    base = torch.arange(channels, device=x.device) * bins
    for chunk in x.split(max(1, _CHUNK_VALUES // channels)):
        index = torch.where(torch.isfinite(chunk), bin_of(chunk) + base, channels * bins).reshape(-1)
        counters.scatter_add_(0, index, torch.ones_like(index, dtype=torch.int32))
