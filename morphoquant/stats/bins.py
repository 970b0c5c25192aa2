"""The bins of every per-channel histogram: logarithmic, fixed, read off a float32's bits.

Each sign has 512 bins. Bin 0 of a sign holds |v| < 2^-16; then 16 bins an octave, equally wide within the octave, from
2^-16 on; the last one holds everything from 1.875 * 2^15 up. Fixed edges make histograms of any two halves add up
exactly, with the same relative resolution (1/16 of an octave's start) at 1e-3 and at 1e3.
"""

import numpy as np

SIGN_BINS = 512
BIN_COUNT = 2 * SIGN_BINS
LOWEST = 2.0**-16
TOP = 2.0**16

# A float32's bits shifted right by MANTISSA_SHIFT keep the exponent and the 4 leading mantissa bits.
MANTISSA_SHIFT = 19
FIRST_CODE = (int(np.float32(LOWEST).view(np.uint32)) >> MANTISSA_SHIFT) - 1

# A fine bin is a 16th of a bin: 8 leading mantissa bits in place of 4. Few channels are counted in them (`fine.py`).
PARTS = 16
FINE_SIGN = SIGN_BINS * PARTS
FINE_COUNT = 2 * FINE_SIGN
FINE_SHIFT = 15
FINE_BASE = (int(np.float32(LOWEST).view(np.uint32)) >> FINE_SHIFT) - PARTS


def bin_of(values: np.ndarray) -> np.ndarray:
    """Bin of each value.

    Args:
        values: float32 (or narrower) finite values, any shape; infinities fall into the last bin of their sign.

    Returns:
        int64 bins in 0..BIN_COUNT-1 of the same shape; negative values, -0.0 included, have 512 added.
    """
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    code = ((bits & 0x7FFFFFFF) >> MANTISSA_SHIFT).astype(np.int64) - FIRST_CODE
    return np.clip(code, 0, SIGN_BINS - 1) + SIGN_BINS * (bits >> 31).astype(np.int64)


def bin_edges() -> np.ndarray:
    """Signed edges of all bins.

    Returns:
        float64 [1024, 2] of (low, high), low < high. The outermost edges are given as 2^16 in magnitude although the
        outermost bins also take everything beyond: there, look at the exact `largest` values of the channel.
    """
    codes = (np.arange(1, SIGN_BINS, dtype=np.uint32) + FIRST_CODE) << MANTISSA_SHIFT
    starts = np.concatenate([[0.0], codes.view(np.float32).astype(np.float64), [TOP]])
    positive = np.stack([starts[:-1], starts[1:]], axis=1)
    return np.concatenate([positive, -positive[:, ::-1]])


def coarse_of(fine: np.ndarray) -> np.ndarray:
    """The bin that a fine bin lies in."""
    return np.asarray(fine) // PARTS


def fine_edges() -> np.ndarray:
    """Signed edges of all fine bins, float64 [FINE_COUNT, 2] of (low, high); below 2^-16 there is one bin, the first."""
    codes = (np.arange(PARTS, FINE_SIGN + 1, dtype=np.uint32) + np.uint32(FINE_BASE)) << np.uint32(FINE_SHIFT)
    starts = codes.view(np.float32).astype(np.float64)
    unused = np.full((PARTS - 1, 2), (0.0, LOWEST))
    positive = np.concatenate([[[0.0, LOWEST]], unused, np.stack([starts[:-1], starts[1:]], axis=1)])
    return np.concatenate([positive, -positive[:, ::-1]])
