"""The loops over histogram rows behind `binned_rows.py`, compiled: one grid a row, or several to choose from.

In units of the step, u = x / step + zero_point and n its code, so that |error| = step |u - n| and

    F_p(u) = n (1/2)^p / (p + 1) + sign(u - n) |u - n|^(p + 1) / (p + 1)      antiderivative of |u - n|^p
    G(u)   = -F_2(u) - (n - zero_point) ((u - n)^2 / 2 - 1/8)                 antiderivative of (u - zero_point) (n - u)

hold inside the grid and beyond it (n then stays at the outermost code). Values are taken as spread evenly over their bin.
"""

import numpy as np
from numba import njit, prange

from morphoquant.quant.binned_layout import ends, laid_out, lines

_LOOP = dict(cache=True, nogil=True, error_model="numpy")
_TEAM = dict(_LOOP, parallel=True)
# Sums in any order, so that several bins are worked on at a time.
_SUM = dict(_LOOP, fastmath={"reassoc", "contract", "nsz"})
# Beyond the outermost level by more than this many steps counts as clipped (quant/grid.py).
_CLIPPED = 0.50001
_THIRD, _TWELFTH = 1 / 3, 1 / 12
# Parts that the rows are dealt out in, each with room for one row.
_SHARES = 256
# Adding and taking away 1.5 * 2^52 rounds to the nearest whole number, half to even, of magnitudes below 2^51.
_ROUND = 6755399441055744.0


@njit(**_LOOP)
def _raised(value, halves, p):
    """value^p for value >= 0; `halves` is 2 p where that is whole, else negative. Products are far faster than powers."""
    if halves < 0:
        return value**p
    found = np.sqrt(value) if halves % 2 else 1.0
    for _ in range(halves // 2):
        found *= value
    return found


@njit(**_LOOP)
def _code(u, code_low, code_high):
    return min(max(np.rint(u), code_low), code_high)


@njit(**_SUM)
def _rounded(x, density, inverse, zero, code_low, code_high, whole):
    """Expected sum of (u - n)^2 over a row that is laid out; `whole` is room for F_2 at its points."""
    for place in range(len(x)):
        u = x[place] * inverse + zero
        n = _code(u, code_low, code_high)
        v = u - n
        whole[place] = (n - zero) * _TWELFTH + v * v * v * _THIRD
    error = 0.0
    for place in range(len(density)):
        error += max(density[place] * (whole[place + 1] - whole[place]), 0.0)
    return error


@njit(**_SUM)
def _rounded_exactly(x, density, inverse, zero, code_low, code_high):
    """The same where points are hardly apart: their codes cancel before anything is added to them."""
    error = 0.0
    for place in range(len(density)):
        first, last = x[place] * inverse + zero, x[place + 1] * inverse + zero
        m, o = _code(first, code_low, code_high), _code(last, code_low, code_high)
        below, above = first - m, last - o
        error += max(density[place] * ((o - m) * _TWELFTH + (above * above * above - below * below * below) * _THIRD), 0.0)
    return error


@njit(**_LOOP)
def _clipped(x, density, inverse, zero, code_low, code_high):
    """The part of it beyond the grid by more than half a step, and the values there."""
    error, values = 0.0, 0.0
    top, bottom = code_high + _CLIPPED, code_low - _CLIPPED
    for place in range(len(density)):
        first, last = x[place] * inverse + zero, x[place + 1] * inverse + zero
        if max(first, last) > top or min(first, last) < bottom:
            over = max(last - code_high, 0.5) ** 3 - max(first - code_high, 0.5) ** 3
            under = min(last - code_low, -0.5) ** 3 - min(first - code_low, -0.5) ** 3
            error += density[place] * (over + under) * _THIRD
            beyond = max(last - top, 0.0) - max(first - top, 0.0) + min(last - bottom, 0.0) - min(first - bottom, 0.0)
            values += density[place] * beyond
    return error, values


@njit(**_LOOP)
def _bounded(x, density, limit, kept):
    """Points as far as values do not bypass, into `kept`; the values that do."""
    passed, reach = 0.0, max(limit, 0.0)
    for place in range(len(x)):
        kept[place] = min(max(x[place], -reach), reach)
    for place in range(len(density)):
        passed += density[place] * ((x[place + 1] - x[place]) - (kept[place + 1] - kept[place]))
    return passed


@njit(**_TEAM)
def errors(offsets, bins, counts, low, high, largest_offsets, largest, edges, places, step, zero, limit, code_low, code_high):
    """Sums of each row: values and x^2 [R, 2]; squared error, its clipped part, clipped and bypassed values [R, 4, grids].

    A row's bins are laid out once for all grids.

    Args:
        offsets: start of each row in `bins` and `counts`, and the end [R + 1].
        bins: ascending within a row [E].
        counts: values in each, those in `largest` not among them [E].
        low: smallest value of each row [R].
        high: largest [R]; both of the values that are counted.
        largest_offsets: start of each row in `largest`, and the end [R + 1].
        largest: exact values.
        edges: (low, high) of each bin.
        places: channel of each row [R].
        step: of each channel [K, grids].
        zero: code of the value zero [K, grids].
        limit: magnitude above which values bypass [K, grids]; inf for none, below 0 for all.
        code_low: smallest code [grids].
        code_high: largest code [grids].
    """
    rows, grids = len(places), step.shape[1]
    plain, found = np.empty((rows, 2)), np.empty((rows, 4, grids))
    longest = 0
    for row in range(rows):
        longest = max(longest, offsets[row + 1] - offsets[row])
    table, stop = lines(edges)
    shares = min(rows, _SHARES)
    for part in prange(shares):
        room = np.empty((4, 2 * longest + 1))
        for row in range(part * rows // shares, (part + 1) * rows // shares):
            k = places[row]
            size, thin, values, signal = laid_out(
                bins, counts, offsets[row], offsets[row + 1], edges, table, stop, low[row], high[row], room[0], room[1]
            )
            x, density, whole, kept = room[0, :size], room[1, : max(size - 1, 0)], room[2, :size], room[3, :size]
            # A bin ends a little above its row where it would have no width.
            least, most = low[row] - abs(low[row]) * 2e-6 - 2e-12, high[row] + abs(high[row]) * 2e-6 + 2e-12
            exact = largest[largest_offsets[row] : largest_offsets[row + 1]]
            for g in range(grids):
                s, z, bound, lowest, highest = step[k, g], zero[k, g], limit[k, g], code_low[g], code_high[g]
                inverse, top, bottom = 1.0 / s, highest + _CLIPPED, lowest - _CLIPPED
                clip, beyond, passed = 0.0, 0.0, 0.0
                bounded = most > bound or least < -bound
                if bounded:
                    passed = _bounded(x, density, bound, kept)
                if bounded or thin:
                    error = _rounded_exactly(kept if bounded else x, density, inverse, z, lowest, highest)
                else:
                    error = _rounded(x, density, inverse, z, lowest, highest, whole)
                if most * inverse + z > top or least * inverse + z < bottom:
                    clip, beyond = _clipped(kept if bounded else x, density, inverse, z, lowest, highest)
                error, clip, beyond = error * (s * s * s), clip * (s * s * s), beyond * s
                for value in exact:
                    number = np.float64(value)
                    if abs(number) > bound:
                        passed += 1
                        continue
                    u = number * inverse + z
                    off = (u - _code(u, lowest, highest)) * s
                    error += off * off
                    if u > top or u < bottom:
                        clip += off * off
                        beyond += 1
                found[row, 0, g], found[row, 1, g] = error, min(clip, error)
                found[row, 2, g], found[row, 3, g] = beyond, passed
            for value in exact:
                values += 1
                signal += np.float64(value) ** 2
            plain[row, 0], plain[row, 1] = values, signal
    return plain, found


@njit(**_LOOP)
def _primitives(x, inverse, zero, limit, code_low, code_high, p, halves, cosine, found, v, raised):
    """F_p(u) and, with `cosine`, F_2(u) and G(u) at one edge on every grid, into `found` [3, grids].

    Whole loops over the grids, one operation each, so that they run several grids at a time. A value that bypasses has no
    error, so that edges beyond the limit stand at the limit.
    """
    whole = 0.5**p / (p + 1)
    for g in range(len(inverse)):
        u = min(max(x, -limit[g]), limit[g]) * inverse[g] + zero[g]
        n = min(max((u + _ROUND) - _ROUND, code_low), code_high)
        v[g] = u - n
        found[0, g] = n * whole
        raised[g] = 1.0 / (p + 1)
        if cosine:
            cube = v[g] * v[g] * v[g] / 3
            found[1, g] = n / 12 + cube
            found[2, g] = -found[1, g] - (n - zero[g]) * (v[g] * v[g] / 2 - 0.125)
    if halves < 0:
        for g in range(len(inverse)):
            raised[g] *= abs(v[g]) ** (p + 1)
    else:
        if halves % 2:
            for g in range(len(inverse)):
                raised[g] *= np.sqrt(abs(v[g]))
        for _ in range(halves // 2):
            for g in range(len(inverse)):
                raised[g] *= abs(v[g])
    for g in range(len(inverse)):
        found[0, g] += raised[g] if v[g] > 0 else -raised[g]


@njit(**_TEAM)
def objectives(
    offsets, bins, counts, low, high, largest_offsets, largest, edges, step, zero, limit, code_low, code_high, p, cosine
):
    """Sums of each row on each of several grids [R, 3, grids]: |error|^p, x * error, error^2; and x^2 and values [R, 2].

    Args are those of `errors`, with step, zero and limit [R, grids], the exponent p, and whether the second and third sum are
    wanted.
    """
    rows, grids = step.shape
    sums, plain = np.zeros((rows, 3, grids)), np.zeros((rows, 2))
    twice = 2 * (p + 1)
    halves = np.int64(np.rint(twice)) if abs(twice - np.rint(twice)) < 1e-9 else np.int64(-1)
    for row in prange(rows):
        near, far, v, raised = np.zeros((3, grids)), np.zeros((3, grids)), np.zeros(grids), np.zeros(grids)
        z, bound, inverse = zero[row], limit[row], 1.0 / step[row]
        own, last = sums[row], np.nan
        for entry in range(offsets[row], offsets[row + 1]):
            n = counts[entry]
            if n <= 0:
                continue
            start, end = ends(edges, bins[entry], low[row], high[row])
            plain[row, 0] += n * (end * end + end * start + start * start) / 3
            plain[row, 1] += n
            inner, outer, sign = (start, end, 1.0) if end > 0 else (end, start, -1.0)
            if inner != last:
                _primitives(inner, inverse, z, bound, code_low, code_high, p, halves, cosine, near, v, raised)
            _primitives(outer, inverse, z, bound, code_low, code_high, p, halves, cosine, far, v, raised)
            share = sign * n / (end - start)
            for kind in range(3 if cosine else 1):
                for g in range(grids):
                    own[kind, g] += share * (far[kind, g] - near[kind, g])
            near, far, last = far, near, outer
        for g in range(grids):
            s = step[row, g]
            power, square, cross = own[0, g] * s ** (p + 1), own[1, g] * s**3, own[2, g] * s**3
            for entry in range(largest_offsets[row], largest_offsets[row + 1]):
                x = np.float64(largest[entry])
                if abs(x) <= bound[g]:
                    u = x * inverse[g] + z[g]
                    off = (_code(u, code_low, code_high) - u) * s
                    power += _raised(abs(off), halves - 2, p)
                    square += off * off
                    cross += x * off
            own[0, g], own[1, g], own[2, g] = power, cross, square
        for entry in range(largest_offsets[row], largest_offsets[row + 1]):
            plain[row, 0] += np.float64(largest[entry]) ** 2
            plain[row, 1] += 1
    return sums, plain
