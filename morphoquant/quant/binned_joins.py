"""Loops that prepare histogram rows for `binned_loops.py`, compiled: take values out, join bins, add rows up."""

import numpy as np
from numba import njit

_LOOP = dict(cache=True, nogil=True, error_model="numpy")


@njit(**_LOOP)
def without(offsets, bins, counts, taken_offsets, taken):
    """Takes one value of each of the bins `taken` of a row out of `counts`, in place; the number of those not found."""
    missing = 0
    for row in range(len(offsets) - 1):
        start, end = offsets[row], offsets[row + 1]
        for place in range(taken_offsets[row], taken_offsets[row + 1]):
            entry = start + np.searchsorted(bins[start:end], taken[place])
            if entry < end and bins[entry] == taken[place]:
                counts[entry] -= 1
            else:
                missing += 1
    return missing


@njit(**_LOOP)
def joined(offsets, bins, counts, into):
    """Rows whose bins are joined as `into` says; neighbours in a row that become one bin are added up."""
    found, amount, starts = np.empty_like(bins), np.empty_like(counts), np.empty_like(offsets)
    place = -1
    for row in range(len(offsets) - 1):
        starts[row] = place + 1
        for entry in range(offsets[row], offsets[row + 1]):
            target = into[bins[entry]]
            if place < starts[row] or found[place] != target:
                place += 1
                found[place], amount[place] = target, 0
            amount[place] += counts[entry]
    starts[-1] = place + 1
    return starts, found[: place + 1].copy(), amount[: place + 1].copy()


@njit(**_LOOP)
def pooled(
    offsets,
    bins,
    counts,
    low,
    high,
    largest_offsets,
    largest,
    places,
    channels,
    most,
    into,
    line,
    starts,
    ends,
    level,
    wide,
    fine,
):
    """One row a channel: the rows that name it added up, on bins that are wide far below the channel's largest bin.

    Args:
        offsets, bins, counts, low, high, largest_offsets, largest: of the rows, as in `errors`.
        places: channel of each row [R]; rows of one channel may stand anywhere.
        channels: how many there are.
        most: largest values of a channel that stay exact; the others go back to their bins.
        into: the bin that each of `bins` is joined to; all below is of those.
        line: the bins in the order of their values.
        starts: lower edge of each of `line`.
        ends: upper edge of each of `line`.
        level: octave of each bin.
        wide: the bin that each bin is joined to where it is `fine` octaves below the largest of its row.
        fine: octaves that keep their bins.

    Returns:
        offsets, bins, counts, offsets of the largest values, these, low and high of the rest, a row for each channel. Bins of
        one sign ascend in magnitude.
    """
    width = len(line)
    order = np.argsort(places, kind="mergesort")
    room = channels * (2 * width if width < 64 else width)
    found, amount = np.empty(room, bins.dtype), np.empty(room, np.float32)
    kept = np.empty(channels * most, np.float32)
    tops, kept_tops = np.zeros(channels + 1, np.int64), np.zeros(channels + 1, np.int64)
    least, top = np.full(channels, np.inf), np.full(channels, -np.inf)
    dense = np.zeros(width)
    at = place = held = 0
    for channel in range(channels):
        first = at
        while at < len(order) and places[order[at]] == channel:
            row = order[at]
            least[channel], top[channel] = min(least[channel], low[row]), max(top[channel], high[row])
            for entry in range(offsets[row], offsets[row + 1]):
                dense[into[bins[entry]]] += counts[entry]
            at += 1
        size = 0
        for index in range(first, at):
            size += largest_offsets[order[index] + 1] - largest_offsets[order[index]]
        values, size = np.empty(size, np.float32), 0
        for index in range(first, at):
            for entry in range(largest_offsets[order[index]], largest_offsets[order[index] + 1]):
                values[size] = largest[entry]
                size += 1
        ranked = np.argsort(-np.abs(values), kind="mergesort")
        for rank in range(size):
            value = values[ranked[rank]]
            if rank < most:
                kept[held] = value
                held += 1
                continue
            if np.signbit(value):
                spot = np.searchsorted(ends, value)
            else:
                spot = np.searchsorted(starts, value, side="right") - 1
            dense[line[min(max(spot, 0), width - 1)]] += 1
            least[channel], top[channel] = min(least[channel], np.float64(value)), max(top[channel], np.float64(value))
        kept_tops[channel + 1] = held
        highest = -1
        for bin_ in range(width):
            if dense[bin_] > 0:
                highest = max(highest, level[bin_])
        begin = place
        for bin_ in range(width):
            if dense[bin_] > 0:
                target = wide[bin_] if level[bin_] <= highest - fine else bin_
                if place > begin and found[place - 1] == target:
                    amount[place - 1] += dense[bin_]
                else:
                    found[place], amount[place] = target, dense[bin_]
                    place += 1
                dense[bin_] = 0
        tops[channel + 1] = place
    return tops, found[:place].copy(), amount[:place].copy(), kept_tops, kept[:held].copy(), least, top
