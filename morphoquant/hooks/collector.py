"""Collector: the observer that fills one ChannelStats for each shared input.

Counting a few rows costs more a value than counting many: a channel's histogram has a thousand counters, and rows that come
alone find few of them in the cache (measured, one core, five slots: 12 ns a value for 94 rows, 6.7 for 376, 4.7 for 752, 3.6
for 1504). So rows wait until there are `GATHERED` of them, in one buffer for each input, at 4 bytes a value and 2 for bfloat16.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from morphoquant.stats.arrangement import Arrangement, arrange
from morphoquant.stats.channel_stats import ChannelStats
from morphoquant.stats.settling import Extremes, add_peaks

GATHERED = 512

# Labels of the rows of one update: slots and keys of each batch that they come from.
_Labels = tuple[tuple[Tensor, Tensor], ...]


@dataclass(eq=False)
class _Waiting:
    """Rows of one input that are not counted yet: the first `rows` of `buffer` [GATHERED, K], with their labels."""

    buffer: Tensor
    rows: int = 0
    labels: list[tuple[Tensor, Tensor]] = field(default_factory=list)


class Collector:
    """Statistics of every input, by group.

    Args:
        keep_rows: rows kept of each slot of each input.
        seed: of the choice of kept rows.
    """

    def __init__(self, keep_rows: int = 64, seed: int = 0):
        self.keep_rows = keep_rows
        self.seed = seed
        self._stats: dict[str, ChannelStats] = {}
        self._waiting: dict[str, _Waiting] = {}
        # One entry: most inputs of a forward come with the very labels of the one before.
        self._arranged: tuple[_Labels, Arrangement] | None = None

    @property
    def stats(self) -> dict[str, ChannelStats]:
        """Statistics of all rows so far, by group."""
        self.flush()
        return self._stats

    def on_input(self, group: str, module: nn.Linear, x: Tensor, slots: Tensor, keys: Tensor) -> None:
        """Adds rows [rows, K] to the statistics of `group`; they are copied or counted before it returns."""
        if group not in self._stats:
            self._stats[group] = ChannelStats(x.shape[1], self.keep_rows, self.seed)
        waiting = self._waiting.get(group)
        held = torch.bfloat16 if x.dtype == torch.bfloat16 else torch.float32
        if waiting is not None and (waiting.rows + len(x) > GATHERED or waiting.buffer.dtype != held):
            self._count_waiting(group, waiting)
        # Devices have room and bandwidth for counting at once.
        if x.device.type != "cpu" or len(x) > GATHERED // 2 and (waiting is None or not waiting.rows):
            self._count(group, x, ((slots, keys),))
            return
        if waiting is None or waiting.buffer.dtype != held:
            waiting = self._waiting[group] = _Waiting(torch.empty(GATHERED, x.shape[1], dtype=held))
        waiting.buffer[waiting.rows : waiting.rows + len(x)] = x
        waiting.rows += len(x)
        waiting.labels.append((slots, keys))

    def flush(self) -> None:
        """Counts the rows that wait."""
        for group, waiting in self._waiting.items():
            self._count_waiting(group, waiting)

    def extremes(self, batch: int) -> dict[str, Extremes]:
        """Largest magnitudes so far by group, rows that wait included; they are looked at, not counted, which costs less.

        Args:
            batch: batches that are seen.
        """
        found = {group: stats.extremes() for group, stats in self._stats.items()}
        runs: tuple[tuple[int, ...], tuple] | None = None
        for group, waiting in self._waiting.items():
            labels = tuple(id(slots) for slots, _ in waiting.labels)
            if waiting.rows and (runs is None or runs[0] != labels):
                runs = labels, _runs(torch.cat([slots for slots, _ in waiting.labels]).cpu().numpy())
            if waiting.rows:
                add_peaks(found[group], waiting.buffer[: waiting.rows].float().numpy(), *runs[1])
        return {group: Extremes(batch, slots) for group, slots in found.items()}

    @property
    def nbytes(self) -> int:
        """Bytes of all statistics, and of the rows that wait."""
        return sum(self.nbytes_of(group) for group in self._stats)

    def nbytes_of(self, group: str, counted: int = 0) -> int:
        """Bytes of a group that was seen: of its statistics, or what they will take when the rows that wait are `counted`, and of
        these rows."""
        waiting = self._waiting.get(group)
        return max(self._stats[group].nbytes, counted) + (0 if waiting is None else waiting.buffer.nbytes)

    def drop(self, group: str) -> None:
        """Forgets all that was seen of a group."""
        del self._stats[group]
        self._waiting.pop(group, None)

    def merge(self, other: "Collector") -> None:
        """Adds everything `other` has seen."""
        mine = self.stats
        for group, theirs in other.stats.items():
            if group not in mine:
                mine[group] = ChannelStats(theirs.channels, self.keep_rows, self.seed)
            mine[group].merge(theirs)

    def _count_waiting(self, group: str, waiting: _Waiting) -> None:
        if waiting.rows:
            self._count(group, waiting.buffer[: waiting.rows], tuple(waiting.labels))
        waiting.rows = 0
        waiting.labels.clear()

    def _count(self, group: str, x: Tensor, labels: _Labels) -> None:
        self._stats[group].update_arranged(x, self._arrange(labels))

    def _arrange(self, labels: _Labels) -> Arrangement:
        held = self._arranged
        if held is None or not _same(held[0], labels):
            slots, keys = (torch.cat([pair[at] for pair in labels]).cpu().numpy() for at in (0, 1))
            held = self._arranged = labels, arrange(slots, keys, self.keep_rows, self.seed)
        return held[1]


def _runs(slots: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where stretches of rows with one slot begin, and their slots."""
    starts = np.flatnonzero(np.diff(slots, prepend=slots[0] - 1))
    return starts, slots[starts]


def _same(one: _Labels, other: _Labels) -> bool:
    return len(one) == len(other) and all(a[0] is b[0] and a[1] is b[1] for a, b in zip(one, other, strict=True))
