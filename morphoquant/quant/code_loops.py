"""How many codes of a uniform grid the bins of histogram rows take, compiled: a wide input has millions of filled bins."""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, error_model="numpy")
def codes_taken(offsets, bins, centres, order, starts, places, step, zero, limit, code_low, code_high):
    """Different codes among the bins of several rows together, int64 [sets].

    A bin stands for the code of its centre, round_half_even(x / step + zero) within the codes (quant/grid.py).

    Args:
        offsets: start of each row in `bins`, and the end [R + 1].
        bins: filled bins [E].
        centres: middle of each bin.
        order: the rows, those that are counted together next to each other [R].
        starts: where in `order` each set of them begins, and the end [sets + 1].
        places: channel of each row [R].
        step: of each channel [K].
        zero: code of the value zero [K].
        limit: magnitude above which values take no code [K]; inf for none.
        code_low: smallest code.
        code_high: largest code.
    """
    found = np.zeros(len(starts) - 1, np.int64)
    # The last set that took a code, so that nothing is cleared between sets.
    taken = np.full(code_high - code_low + 1, -1, np.int64)
    for own in range(len(found)):
        for row in order[starts[own] : starts[own + 1]]:
            k = places[row]
            s, z, bound = step[k], zero[k], limit[k]
            for entry in range(offsets[row], offsets[row + 1]):
                x = centres[bins[entry]]
                u = np.rint(x / s + z)
                if abs(x) > bound or np.isnan(u):
                    continue
                code = np.int64(min(max(u, code_low), code_high)) - code_low
                if taken[code] != own:
                    taken[code] = own
                    found[own] += 1
    return found
