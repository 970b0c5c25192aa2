"""The loops over histogram rows behind `binned_rows.py`, compiled: one grid a row, or several to choose from.

In units of the step, u = x / step + zero_point and n its code, so that |error| = step |u - n| and

    F_p(u) = n (1/2)^p / (p + 1) + sign(u - n) |u - n|^(p + 1) / (p + 1)      antiderivative of |u - n|^p
    G(u)   = -F_2(u) - (n - zero_point) ((u - n)^2 / 2 - 1/8)                 antiderivative of (u - zero_point) (n - u)

hold inside the grid and beyond it (n then stays at the outermost code). Values are taken as spread evenly over their bin.
"""

import numpy as np
from numba import njit, prange

from morphoquant.quant.binned_layout import laid_out, laid_out_singly, lines

_LOOP = dict(cache=True, nogil=True, error_model="numpy")
_TEAM = dict(_LOOP, parallel=True)
# Sums in any order, so that several bins are worked on at a time.
_SUM = dict(_LOOP, fastmath={"reassoc", "contract", "nsz"})
# Beyond the outermost level by more than this many steps counts as clipped (quant/grid.py).
_CLIPPED = 0.50001
_THIRD, _TWELFTH = 1 / 3, 1 / 12
# Parts that the rows are dealt out in, each with room for one row.
_SHARES = 256


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


@njit(**_SUM)
def _power(x, density, inverse, zero, bound, code_low, code_high, p, halves, whole):
    """Expected sum of |u - n|^p over a row that is laid out; `whole` is room for F_p at its points.

    A value that bypasses has no error, so that points beyond the bound stand at the bound.
    """
    level, part = 0.5**p / (p + 1), 1 / (p + 1)
    # |v|^(p + 1) as a product of what its exponent is the sum of.
    root, one, two, four, eight = halves & 1 > 0, halves & 2 > 0, halves & 4 > 0, halves & 8 > 0, halves & 16 > 0
    for place in range(len(x)):
        u = min(max(x[place], -bound), bound) * inverse + zero
        n = _code(u, code_low, code_high)
        v = abs(u - n)
        square = v * v
        fourth = square * square
        raised = (np.sqrt(v) if root else 1.0) * (v if one else 1.0) * (square if two else 1.0)
        raised *= (fourth if four else 1.0) * (fourth * fourth if eight else 1.0) * part
        whole[place] = (n - zero) * level + (raised if u > n else -raised)
    return _difference(density, whole)


@njit(**_LOOP)
def _any_power(x, density, inverse, zero, bound, code_low, code_high, p, whole):
    """`_power` of any exponent, far slower."""
    for place in range(len(x)):
        u = min(max(x[place], -bound), bound) * inverse + zero
        n = _code(u, code_low, code_high)
        raised = abs(u - n) ** (p + 1) / (p + 1)
        whole[place] = (n - zero) * 0.5**p / (p + 1) + (raised if u > n else -raised)
    return _difference(density, whole)


@njit(**_SUM)
def _moments(x, density, inverse, zero, bound, code_low, code_high, whole, cross):
    """Expected sums of (u - n)^2 and of (u - zero) (n - u), with room for F_2 and G."""
    for place in range(len(x)):
        u = min(max(x[place], -bound), bound) * inverse + zero
        n = _code(u, code_low, code_high)
        v = u - n
        whole[place] = (n - zero) * _TWELFTH + v * v * v * _THIRD
        cross[place] = -whole[place] - (n - zero) * (v * v * 0.5 - 0.125)
    return _difference(density, whole), _difference(density, cross)


@njit(**_SUM)
def _difference(density, whole):
    total = 0.0
    for place in range(len(density)):
        total += density[place] * (whole[place + 1] - whole[place])
    return total


@njit(**_TEAM)
def objectives(
    offsets, bins, counts, low, high, largest_offsets, largest, edges, step, zero, limit, code_low, code_high, p, cosine
):
    """Sums of each row on each of several grids [R, 3, grids]: |error|^p, x * error, error^2; and x^2 and values [R, 2].

    Args are those of `errors`, with step, zero and limit [R, grids], the exponent p, and whether the second and third sum are
    wanted.
    """
    rows, grids = step.shape
    sums, plain = np.empty((rows, 3, grids)), np.empty((rows, 2))
    twice = 2 * (p + 1)
    whole_halves = abs(twice - np.rint(twice)) < 1e-9 and twice < 32
    halves = np.int64(np.rint(twice)) if whole_halves else np.int64(-1)
    longest = 0
    for row in range(rows):
        longest = max(longest, offsets[row + 1] - offsets[row])
    shares = min(rows, _SHARES)
    for part in prange(shares):
        room = np.empty((4, 2 * longest + 1))
        for row in range(part * rows // shares, (part + 1) * rows // shares):
            size, values, signal = laid_out_singly(
                bins, counts, offsets[row], offsets[row + 1], edges, low[row], high[row], room[0], room[1]
            )
            x, density, whole, other = room[0, :size], room[1, : max(size - 1, 0)], room[2, :size], room[3, :size]
            for g in range(grids):
                s, z, bound, square, cross = step[row, g], zero[row, g], limit[row, g], 0.0, 0.0
                inverse = 1.0 / s
                if halves > 0:
                    power = _power(x, density, inverse, z, bound, code_low, code_high, p, halves, whole)
                else:
                    power = _any_power(x, density, inverse, z, bound, code_low, code_high, p, whole)
                if cosine:
                    square, cross = _moments(x, density, inverse, z, bound, code_low, code_high, whole, other)
                power, square, cross = power * _raised(s, halves, p + 1), square * s**3, cross * s**3
                for entry in range(largest_offsets[row], largest_offsets[row + 1]):
                    number = np.float64(largest[entry])
                    if abs(number) <= bound:
                        u = number * inverse + z
                        off = (_code(u, code_low, code_high) - u) * s
                        power += _raised(abs(off), halves - 2, p)
                        square += off * off
                        cross += number * off
                sums[row, 0, g], sums[row, 1, g], sums[row, 2, g] = power, cross, square
            for entry in range(largest_offsets[row], largest_offsets[row + 1]):
                signal += np.float64(largest[entry]) ** 2
                values += 1
            plain[row, 0], plain[row, 1] = signal, values
    return sums, plain
