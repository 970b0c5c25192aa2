"""One pass over a block of rows on the CPU instead of a dozen: the sums behind ErrorSums and GridUse, in float64.

The passes run on one thread: blocks are small, and threads would wait for each other longer than they work.
"""

import numpy as np
from numba import njit

_SUM = {"reassoc", "contract", "nsz"}


@njit(cache=True, nogil=True, fastmath=_SUM)
def row_sums(x, y, out):
    """out [rows, 4]: sums over each row of x^2, (y - x)^2, x y and y^2; x and y float32 [rows, width]."""
    for r in range(x.shape[0]):
        signal = error = product = other = 0.0
        for c in range(x.shape[1]):
            a, b = np.float64(x[r, c]), np.float64(y[r, c])
            signal += a * a
            error += (b - a) * (b - a)
            product += a * b
            other += b * b
        out[r, 0], out[r, 1], out[r, 2], out[r, 3] = signal, error, product, other


@njit(cache=True, nogil=True, fastmath=_SUM)
def split_sums(x, y, clipped, bypassed, outliers, out):
    """out [rows, 4]: sums over each row of the clipped error, the outlier channels' signal and error, and bypassed values.

    clipped and bypassed are bool [rows, width], outliers bool [width].
    """
    for r in range(x.shape[0]):
        clip = signal = error = 0.0
        kept = 0
        for c in range(x.shape[1]):
            a = np.float64(x[r, c])
            e = (np.float64(y[r, c]) - a) ** 2
            clip += e * clipped[r, c]
            signal += a * a * outliers[c]
            error += e * outliers[c]
            kept += bypassed[r, c]
        out[r, 0], out[r, 1], out[r, 2], out[r, 3] = clip, signal, error, kept


@njit(cache=True, nogil=True)
def channel_sums(x, y, clipped, bypassed, places, counts, sums):
    """Adds rows to the sums of their place.

    counts int64 [places, 2, width]: clipped, bypassed. sums float64 [places, 3, width]: x^2, clipped error, other error.
    """
    for r in range(x.shape[0]):
        count, total = counts[places[r]], sums[places[r]]
        for c in range(x.shape[1]):
            a = np.float64(x[r, c])
            e = (np.float64(y[r, c]) - a) ** 2
            lost = e * clipped[r, c]
            count[0, c] += clipped[r, c]
            count[1, c] += bypassed[r, c]
            total[0, c] += a * a
            total[1, c] += lost
            total[2, c] += e - lost
