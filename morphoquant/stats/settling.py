"""How the channels' ranges grow while samples come in: which of them have settled when the last one is seen."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

LAGGING = 0.9  # of its final range; a channel below it lags behind


def halvings(total: int) -> list[int]:
    """The whole number of batches, its half, a quarter ... down to one, each rounded up; ascending."""
    found = {total}
    while total > 1:
        total = -(-total // 2)
        found.add(total)
    return sorted(found)


@dataclass(frozen=True, eq=False)
class Extremes:
    """Largest magnitudes of one input up to some batch.

    Attributes:
        batch: batches of the data that are seen.
        slots: {slot: (rows seen since a beginning, such as that of a shard, and float32 [K] largest magnitude of each channel)}.
    """

    batch: int
    slots: Mapping[int, tuple[int, np.ndarray]]


def add_peaks(slots: dict[int, tuple[int, np.ndarray]], x: np.ndarray, starts: np.ndarray, labels: np.ndarray) -> None:
    """Adds rows to what `Extremes.slots` holds; NaN and infinite values count for nothing.

    Args:
        slots: changed in place.
        x: float32 [rows, K].
        starts: first row of each stretch of rows with one slot, ascending from 0.
        labels: their slots, negative for rows that do not count.
    """
    # Stretch by stretch: numpy's reduceat along rows takes several times as long.
    for start, end, slot in zip(starts, [*starts[1:], len(x)], labels.tolist(), strict=True):
        if slot < 0:
            continue
        part = x[start:end]
        peak = np.maximum(part.max(0), -part.min(0))
        if not np.isfinite(peak).all():
            peak = np.where(np.isfinite(part), np.abs(part), np.float32(0.0)).max(0)
        rows, highest = slots.get(slot, (0, peak))
        slots[slot] = rows + len(part), np.maximum(highest, peak)


def joined(shards: Iterable[list[Extremes]]) -> list[Extremes]:
    """Extremes of consecutive stretches of the data, each counted from its own beginning, as one from the first beginning."""
    found, so_far = [], {}
    for marks in shards:
        for mark in marks:
            slots = dict(so_far)
            for slot, (rows, peak) in mark.slots.items():
                before, highest = so_far.get(slot, (0, peak))
                slots[slot] = before + rows, np.maximum(highest, peak)
            found.append(Extremes(mark.batch, slots))
        so_far = dict(found[-1].slots) if found else {}
    return found


def settled(marks: list[Extremes], kept: Iterable[int]) -> list[dict]:
    """Rows of the table `settling`, but for its group, of one input.

    Args:
        marks: ascending; an input that no row reached in a while has none there.
        kept: batches of which rows are wanted.

    Returns:
        For each of these batches and each slot seen by then: slot, samples, tokens, channels (those with a final range above
        zero), reached (sum over them of the share of the final range), lagging (those below nine tenths of it) and absmax.
    """
    rows = []
    for batch in kept:
        mark = next((mark for mark in marks[::-1] if mark.batch <= batch), None)
        for slot, (tokens, peak) in sorted(mark.slots.items()) if mark else ():
            final = marks[-1].slots[slot][1]
            moving = final > 0
            share = peak[moving].astype(np.float64) / final[moving]
            rows.append(
                dict(
                    slot=slot,
                    samples=batch,
                    tokens=int(tokens),
                    channels=int(moving.sum()),
                    reached=float(share.sum()),
                    lagging=int((share < LAGGING).sum()),
                    absmax=float(peak.max(initial=0.0)),
                )
            )
    return rows
