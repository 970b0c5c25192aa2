"""The rows that are kept of each slot, stacked by place as all that ChannelStats holds."""

import numpy as np
import torch
from torch import Tensor

from morphoquant.stats.arrangement import Arrangement, Draw
from morphoquant.stats.reservoir import NOTHING, Kept, choose


class KeptRows:
    """A bounded sample of rows of each place; see `reservoir` for which.

    Args:
        channels: width of a row (K).
        keep_rows: rows kept of each place.

    Attributes:
        values: float32 [places, keep_rows, K]; rows beyond those kept hold anything.
    """

    def __init__(self, channels: int, keep_rows: int):
        self.values = np.empty((0, keep_rows, channels), np.float32)
        self._keep_rows = keep_rows
        self._kept: list[Kept] = []

    def make_room(self, places: int) -> None:
        """Adds places without rows."""
        self._kept += [NOTHING] * places
        self.values = np.concatenate([self.values, np.empty((places, *self.values.shape[1:]), np.float32)])

    def draw(self, rows: Arrangement, places: np.ndarray) -> Draw:
        """Settles which of `rows` are kept from now on; who calls brings their values."""
        draw = rows.draw([self._kept[place] for place in places])
        for place, kept in zip(places, draw.kept, strict=True):
            self._kept[place] = kept
        return draw

    def update(self, x: Tensor, rows: Arrangement, places: np.ndarray) -> None:
        """Offers rows [rows, K] on the CPU; `places` are those of `rows.slots`."""
        draw = self.draw(rows, places)
        if len(draw.rows):
            chosen = x.index_select(0, torch.from_numpy(draw.rows)).to(torch.float32)
            self.values[places[draw.owners], draw.places] = chosen.numpy()

    def add(self, place: int, priorities: np.ndarray, values: np.ndarray) -> None:
        """Offers rows [n, K] that another sample kept, with their priorities [n]."""
        choice = choose(self._kept[place], priorities, self._keep_rows)
        self._kept[place] = choice.kept
        self.values[place, choice.places] = values[choice.rows]

    def of(self, place: int) -> tuple[np.ndarray, np.ndarray]:
        """Priorities [n], ascending, and rows [n, K]."""
        priorities = self._kept[place].priorities
        order = np.argsort(priorities, kind="stable")
        return priorities[order], self.values[place, order]
