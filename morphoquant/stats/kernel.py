"""The pass over a block of rows on the CPU: one fused loop, threads over blocks of channels.

A thread takes 32 channels and goes through the rows 128 at a time. Such a tile (16 KiB) is copied once, so that every later
loop reads it from the first-level cache with a width the compiler knows. Per tile: sums of powers of the deviations from
the tile's first row, in float64; extremes; bins; counters. The first row is a member of the tile, so |pivot - mean|^2 is
at most the tile's sum of squares: turning the power sums into central ones loses at most a factor of the tile's rows in
precision, whatever the offset and however far the outliers. Tiles join by Pebay's formulas.

Counters are incremented for 16 channels at a time: they lie 2 KiB apart, so more of them compete for the same cache sets
(measured: 1.0 ns a value with 32, 0.3 with 16). A tile with a NaN or an infinity goes value by value into the same state.

Memory bounds it, not arithmetic: rows of a wide input lie pages apart and counters are touched here and there, so nothing is
fetched ahead of its use unless asked for. So the lines of later rows, and those of the counters that a sample of a tile's rows
will increment, are asked for before the tile's sums are taken (measured at 7B sizes: a quarter less time in all).
"""

import numpy as np
from numba import njit, prange

from morphoquant.stats.bins import BIN_COUNT, FIRST_CODE, MANTISSA_SHIFT, SIGN_BINS
from morphoquant.stats.intrinsics import float32_bits, prefetch
from morphoquant.stats.magnitudes import LARGEST

WIDTH = 32
HALF = 16
LOADED = 16
TILE_ROWS = 128
SUB_ROWS = 16
# A tile and a line more: tiles a power of two apart would compete for the same cache sets.
TILE = TILE_ROWS * WIDTH + WIDTH
# Rows of which lines (bytes) are asked for ahead, and one in how many rows of a tile asks for its counters.
AHEAD = 8
LINE = 64
EVERY = 4

_SHIFT = np.uint32(MANTISSA_SHIFT)
_FIRST = np.uint32(FIRST_CODE)
_SIGN_SHIFT = np.uint32(31)
_SIGN = np.uint32(SIGN_BINS)
_ONE = np.uint32(1)
# Magnitudes of the outermost bins: what lies beyond is counted there.
_LEAST = (_FIRST << _SHIFT).view(np.float32)
_MOST = ((_FIRST + _SIGN - _ONE) << _SHIFT).view(np.float32)
_STEP = np.uint16(1)


@njit(cache=True, nogil=True, parallel=True, error_model="numpy")
def accumulate(x, order, starts, places, seen, nans, infs, low, high, moments, sums_abs, counters, keys, tiles):
    """Adds rows to the state.

    Args:
        x: bits of the rows, uint32 [rows, K] of float32 or uint16 of bfloat16, C-contiguous.
        order: row numbers, those of one place together, int64.
        starts: where in `order` each place's rows start, and the end, int64 [places + 1].
        places: index along the first axis of the state for each of them, int64.
        seen: rows each place had before, int64 [S]; the caller adds the new ones.
        nans, infs: int64 [S, K].
        low, high: float32 [S, K].
        moments: mean, m2, m3, m4 as float64 [S, 4, K].
        sums_abs: float64 [S, K].
        counters: uint16 [S, K, BIN_COUNT]; the caller sees to it that they do not overflow.
        keys: largest magnitudes as descending keys (see `magnitudes.py`), uint32 [S, K, LARGEST].
        tiles: room for copies, one for each thread, float32 [threads, LOADED, TILE].
    """
    channels = x.shape[1]
    blocks = (channels + WIDTH - 1) // WIDTH
    teams = min(blocks, len(tiles))
    for team in prange(teams):
        mine = tiles[team]
        codes = np.zeros(TILE_ROWS * WIDTH, np.uint16)
        sums = np.zeros(6 * WIDTH)
        peaks = np.zeros(5 * WIDTH, np.float32)
        last = (team + 1) * blocks // teams
        for block in range(team * blocks // teams, last, LOADED):
            c_end = min(channels, min(block + LOADED, last) * WIDTH)
            for segment in range(len(places)):
                s = places[segment]
                done = seen[s]
                for first in range(starts[segment], starts[segment + 1], TILE_ROWS):
                    rows = min(TILE_ROWS, starts[segment + 1] - first)
                    _load(x, order, first, rows, block * WIDTH, c_end, mine.view(np.uint32))
                    for c0 in range(block * WIDTH, c_end, WIDTH):
                        tile = mine[c0 // WIDTH - block]
                        width = min(WIDTH, c_end - c0)
                        here = counters[s, c0 : c0 + width].reshape(-1)
                        _codes(tile, rows, width, here, codes)
                        _powers(tile, rows, sums)
                        if np.isfinite(sums[5 * WIDTH :].sum()):
                            _join(sums, rows, done, s, c0, width, nans, infs, moments, sums_abs)
                            _extremes(tile, rows, s, c0, width, low, high, keys, peaks)
                            _count(rows, width, here, codes)
                        else:
                            for c in range(width):
                                _one_by_one(
                                    tile, rows, c, done, s, c0 + c, nans, infs, low, high, moments, sums_abs, counters, keys
                                )
                    done += rows


@njit(cache=True, nogil=True)
def _load(x, order, first, rows, c_first, c_end, tiles):
    """Copies neighbouring tiles, bits [LOADED, TILE]; columns beyond the last channel are zero."""
    whole = (c_end - c_first) // WIDTH
    rest = (c_end - c_first) % WIDTH
    for r in range(rows):
        # Slices, because an index that is not seen to be positive costs a comparison for each value.
        given = x[order[first + r], c_first:c_end]
        if first + r + AHEAD < len(order):
            later = x[order[first + r + AHEAD], c_first:c_end]
            for c in range(0, len(later), LINE // x.itemsize):
                prefetch(later, c)
        at = r * WIDTH
        for t in range(whole):
            tile = tiles[t]
            for c in range(WIDTH):
                tile[at + c] = float32_bits(given[t * WIDTH + c])
        if rest:
            tile = tiles[whole]
            for c in range(rest):
                tile[at + c] = float32_bits(given[whole * WIDTH + c])
            tile[at + rest : at + WIDTH] = 0


@njit(cache=True, nogil=True, fastmath={"contract"})
def _powers(tile, rows, sums):
    """sums [6 * WIDTH]: the pivot, the sums of the first four powers of the deviations from it, the sum of |x|."""
    for c in range(WIDTH):
        sums[c] = np.float64(tile[c])
    sums[WIDTH:] = 0.0
    for r in range(rows):
        at = r * WIDTH
        for c in range(WIDTH):
            v = np.float64(tile[at + c])
            d = v - sums[c]
            q = d * d
            sums[WIDTH + c] += d
            sums[2 * WIDTH + c] += q
            sums[3 * WIDTH + c] += q * d
            sums[4 * WIDTH + c] += q * q
            sums[5 * WIDTH + c] += abs(v)


@njit(cache=True, nogil=True, error_model="numpy")
def _join(sums, rows, done, s, c0, width, nans, infs, moments, sums_abs):
    """Central sums of the tile from its power sums, then Pebay's formulas for two parts; an empty part changes nothing."""
    for c in range(width):
        k = c0 + c
        nb = np.float64(rows)
        na = np.float64(done - nans[s, k] - infs[s, k])
        mu = sums[WIDTH + c] / nb
        b2 = sums[2 * WIDTH + c] - nb * mu * mu
        b3 = sums[3 * WIDTH + c] - 3.0 * mu * sums[2 * WIDTH + c] + 2.0 * nb * mu * mu * mu
        b4 = sums[4 * WIDTH + c] - 4.0 * mu * sums[3 * WIDTH + c] + 6.0 * mu * mu * sums[2 * WIDTH + c]
        b4 -= 3.0 * nb * mu * mu * mu * mu
        a2, a3 = moments[s, 1, k], moments[s, 2, k]
        delta = sums[c] + mu - moments[s, 0, k]
        step = delta / (na + nb)
        cross = delta * step * na * nb
        moments[s, 0, k] += step * nb
        moments[s, 1, k] += b2 + cross
        moments[s, 2, k] += b3 + cross * step * (na - nb) + 3.0 * step * (na * b2 - nb * a2)
        moments[s, 3, k] += (
            b4
            + cross * step * step * (na * na - na * nb + nb * nb)
            + 6.0 * step * step * (na * na * b2 + nb * nb * a2)
            + 4.0 * step * (na * b3 - nb * a3)
        )
        sums_abs[s, k] += sums[5 * WIDTH + c]


@njit(cache=True, nogil=True)
def _extremes(tile, rows, s, c0, width, low, high, keys, peaks):
    """Smallest, largest and the largest magnitudes, looked for only in stretches of rows that may hold one.

    peaks: room, float32 [5 * WIDTH]: extremes of the tile, of a stretch, and what a magnitude must reach to be kept.
    """
    bits = tile.view(np.uint32)
    lowest, highest = peaks[:WIDTH], peaks[WIDTH : 2 * WIDTH]
    near, far, limit = peaks[2 * WIDTH : 3 * WIDTH], peaks[3 * WIDTH : 4 * WIDTH], peaks[4 * WIDTH :]
    limits = limit.view(np.uint32)
    for c in range(WIDTH):
        limits[c] = keys[s, c0 + c, LARGEST - 1] >> _ONE if c < width else np.uint32(0x7F800000)
        lowest[c] = tile[c]
        highest[c] = tile[c]
    for start in range(0, rows, SUB_ROWS):
        end = min(start + SUB_ROWS, rows)
        _stretch(tile, start, end, near, far)
        hits = 0
        for c in range(WIDTH):
            lowest[c] = min(lowest[c], near[c])
            highest[c] = max(highest[c], far[c])
            hits += max(-near[c], far[c]) >= limit[c]
        if hits > 0:
            for c in range(width):
                if max(-near[c], far[c]) >= limit[c]:
                    for r in range(start, end):
                        if abs(tile[r * WIDTH + c]) >= limit[c]:
                            _offer(keys[s, c0 + c], bits[r * WIDTH + c])
                    limits[c] = keys[s, c0 + c, LARGEST - 1] >> _ONE
    for c in range(width):
        low[s, c0 + c] = min(low[s, c0 + c], lowest[c])
        high[s, c0 + c] = max(high[s, c0 + c], highest[c])


@njit(cache=True, nogil=True)
def _stretch(tile, start, end, near, far):
    """Smallest and largest value of rows start to end of each column."""
    for c in range(WIDTH):
        near[c] = tile[start * WIDTH + c]
        far[c] = tile[start * WIDTH + c]
    quads = (end - start) // 4
    for quad in range(quads):
        at = (start + 4 * quad) * WIDTH
        for c in range(WIDTH):
            a, b = tile[at + c], tile[at + WIDTH + c]
            d, e = tile[at + 2 * WIDTH + c], tile[at + 3 * WIDTH + c]
            near[c] = min(near[c], min(min(a, b), min(d, e)))
            far[c] = max(far[c], max(max(a, b), max(d, e)))
    for r in range(start + 4 * quads, end):
        for c in range(WIDTH):
            near[c] = min(near[c], tile[r * WIDTH + c])
            far[c] = max(far[c], tile[r * WIDTH + c])


@njit(cache=True, nogil=True)
def _offer(keys, bits):
    """Puts a value into the descending list of the largest, ordered by magnitude, then the positive one first."""
    key = np.uint32((bits << _ONE) | (_ONE - (bits >> np.uint32(31))))  # numba widens shifts to 64 bits
    place = LARGEST - 1
    if key <= keys[place]:
        return
    while place > 0 and keys[place - 1] < key:
        keys[place] = keys[place - 1]
        place -= 1
    keys[place] = key


@njit(cache=True, nogil=True)
def _bin(v):
    """`bins.bin_of` of a finite float32; clamped as a float, because numba compares integers in 64 bits, at half the width."""
    magnitude = np.float32(min(max(abs(v), _LEAST), _MOST)).view(np.uint32)
    return np.uint32((magnitude >> _SHIFT) - _FIRST + (np.float32(v).view(np.uint32) >> _SIGN_SHIFT) * _SIGN)


@njit(cache=True, nogil=True)
def _codes(tile, rows, width, counters, codes):
    """Codes of the tile, bins of its channels one after another, and a call for the counters that many of them mean."""
    for r in range(rows):
        at = r * WIDTH
        for c in range(WIDTH):
            codes[at + c] = np.uint16(_bin(tile[at + c]) + np.uint32(c * BIN_COUNT))
    for r in range(0, rows, EVERY):
        for c in range(width):
            prefetch(counters, codes[r * WIDTH + c])


@njit(cache=True, nogil=True)
def _count(rows, width, counters, codes):
    """Adds codes of a tile to the counters [width * BIN_COUNT] of its channels."""
    for half in range(0, width, HALF):
        if half + HALF <= width:
            for r in range(rows):
                at = r * WIDTH + half
                for c in range(HALF):
                    counters[codes[at + c]] += _STEP
        else:
            for r in range(rows):
                at = r * WIDTH
                for c in range(half, width):
                    counters[codes[at + c]] += _STEP


@njit(cache=True, nogil=True, error_model="numpy")
def _one_by_one(tile, rows, c, done, s, k, nans, infs, low, high, moments, sums_abs, counters, keys):
    """One channel of a tile that holds values that are not finite."""
    bits = tile.view(np.uint32)
    count = done - nans[s, k] - infs[s, k]
    for r in range(rows):
        v = tile[r * WIDTH + c]
        b = bits[r * WIDTH + c]
        if np.isnan(v):
            nans[s, k] += 1
            continue
        if np.isinf(v):
            infs[s, k] += 1
            continue
        low[s, k] = min(low[s, k], v)
        high[s, k] = max(high[s, k], v)
        _offer(keys[s, k], b)
        counters[s, k, _bin(v)] += _STEP
        sums_abs[s, k] += abs(np.float64(v))
        # Pebay 2008 for a part of one value.
        na = np.float64(count)
        delta = np.float64(v) - moments[s, 0, k]
        step = delta / (na + 1.0)
        cross = delta * step * na
        a2, a3 = moments[s, 1, k], moments[s, 2, k]
        moments[s, 0, k] += step
        moments[s, 1, k] += cross
        moments[s, 2, k] += cross * step * (na - 1.0) - 3.0 * step * a2
        moments[s, 3, k] += cross * step * step * (na * na - na + 1.0) + 6.0 * step * step * a2 - 4.0 * step * a3
        count += 1
