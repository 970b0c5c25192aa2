"""Where the values of a histogram row lie, laid out for the loops of `binned_loops.py`, compiled.

A row becomes a line of points x [m] with a density between each two of them [m - 1], so that neighbouring bins share the point
between them: of an antiderivative F, the sum over the row is that of density * (F(x') - F(x)). The points run away from zero,
first over the bins above it, then over those below it, where densities are negative, since x' < x there.
"""

import numpy as np
from numba import njit

_LOOP = dict(cache=True, nogil=True, error_model="numpy")
# Sums in any order, so that several bins are worked on at a time.
_SUM = dict(_LOOP, fastmath={"reassoc", "contract", "nsz"})
# Parts of their magnitude that values must be apart for a difference of antiderivatives to be exact enough.
_THIN = 2.0**-14


@njit(**_LOOP)
def lines(edges):
    """What `laid_out` needs of each bin: its inner and outer point, 1 / (outer - inner) and the mean of x^2 [4, bins]; where
    the neighbours end that share points with it [bins]."""
    size = len(edges)
    table, stop = np.empty((4, size)), np.empty(size, np.int64)
    for bin_ in range(size - 1, -1, -1):
        low, high = edges[bin_, 0], edges[bin_, 1]
        inner, outer = (low, high) if high > 0 else (high, low)
        table[0, bin_], table[1, bin_], table[2, bin_] = inner, outer, 1 / (outer - inner)
        table[3, bin_] = (low * low + low * high + high * high) / 3
        shared = bin_ + 1 < size and table[0, bin_ + 1] == outer and (outer > 0) == (table[1, bin_ + 1] > 0)
        stop[bin_] = stop[bin_ + 1] if shared else bin_ + 1
    return table, stop


@njit(**_LOOP)
def ends(edges, bin_, low, high):
    """Where the values of a bin lie, given the row's extremes; never without a width."""
    start, end = max(edges[bin_, 0], low), min(edges[bin_, 1], high)
    return start, max(end, start + abs(start) * 1e-6 + 1e-12)


@njit(**_LOOP)
def laid_out(bins, counts, begin, end, edges, table, stop, low, high, x, density):
    """Lays out the entries `begin` to `end` of `bins` and `counts` into `x` and `density`.

    Args:
        bins: ascending in the row.
        counts: values in each.
        begin: of the row.
        end: of the row.
        edges: (low, high) of each bin.
        table: of `lines`.
        stop: of `lines`.
        low: smallest value of the row.
        high: largest.
        x: room for two points an entry.
        density: the same.

    Returns:
        How many points there are, whether some are hardly apart, the values, and the sum of their squares.
    """
    size, thin, values, signal, last = 0, False, 0.0, 0.0, np.nan
    entry = begin
    while entry < end:
        bin_ = np.int64(bins[entry])
        whole = _neighbours(bins, entry, end, stop[bin_])
        below = table[1, bin_] < table[0, bin_]
        # The extremes cut the bins that they lie in.
        if table[0, bin_] > high if below else table[0, bin_] < low:
            whole = 0
        while whole and (table[1, bin_ + whole - 1] < low if below else table[1, bin_ + whole - 1] > high):
            whole -= 1
        if not whole and counts[entry] <= 0:
            entry += 1
            continue
        start, stretch = ends(edges, bin_, low, high)
        inner = table[0, bin_] if whole else stretch if below else start
        if size and inner == last:
            size -= 1
        elif size:
            density[size - 1] = 0.0
        if whole:
            span, into = slice(bin_, bin_ + whole), slice(size, size + whole)
            own = counts[entry : entry + whole]
            more, squares = _filled(table[0, span], table[2, span], table[3, span], own, x[into], density[into])
            last = table[1, bin_ + whole - 1]
        else:
            last = start if below else stretch
            more = np.float64(counts[entry])
            squares = more * (start * start + start * stretch + stretch * stretch) / 3
            x[size], density[size] = inner, more / (last - inner)
            thin |= stretch - start < _THIN * abs(start)
        values, signal = values + more, signal + squares
        entry, size = entry + max(whole, 1), size + max(whole, 1) + 1
        x[size - 1] = last
    return size, thin, values, signal


@njit(**_LOOP)
def laid_out_singly(bins, counts, begin, end, edges, low, high, x, density):
    """`laid_out` of a row whose bins ascend in magnitude within their sign and no more, as where narrow and wide ones mix."""
    size, values, signal, last = 0, 0.0, 0.0, np.nan
    for entry in range(begin, end):
        n = np.float64(counts[entry])
        if n <= 0:
            continue
        start, stretch = ends(edges, bins[entry], low, high)
        inner, outer = (start, stretch) if stretch > 0 else (stretch, start)
        if size and inner == last:
            size -= 1
        elif size:
            density[size - 1] = 0.0
        x[size], density[size], x[size + 1] = inner, n / (outer - inner), outer
        values, signal = values + n, signal + n * (start * start + start * stretch + stretch * stretch) / 3
        size, last = size + 2, outer
    return size, values, signal


@njit(**_LOOP)
def _neighbours(bins, entry, end, stop):
    """How many entries from `entry` on are of bins that follow each other, below bin `stop`."""
    first = np.int64(bins[entry])
    some, many = 1, min(end - entry, stop - first) + 1
    # They ascend, so that the last of them tells of all between.
    if np.int64(bins[entry + many - 2]) == first + many - 2:
        return many - 1
    while many - some > 1:
        middle = (some + many) >> 1
        if np.int64(bins[entry + middle - 1]) == first + middle - 1:
            some = middle
        else:
            many = middle
    return some


@njit(**_SUM)
def _filled(inner, inverse, square, counts, x, density):
    """Lays out bins that follow each other; their values, and the sum of their squares."""
    values, signal = 0.0, 0.0
    for place in range(len(counts)):
        n = max(np.float64(counts[place]), 0.0)
        x[place], density[place] = inner[place], n * inverse[place]
        values += n
        signal += n * square[place]
    return values, signal
