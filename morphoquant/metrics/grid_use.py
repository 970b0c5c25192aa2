"""GridUse: how a static grid's channels are used, added up by slot and channel. The sums of the grid_use table."""

import numpy as np
import torch
from torch import Tensor

_COUNTS = ("clipped", "bypassed")
_SUMS = ("signal_sq", "clip_sq", "round_sq")


class GridUse:
    """Clipped and bypassed values and squared errors of one layer input.

    Args:
        channels: K, width of the input.
    """

    def __init__(self, channels: int):
        self.channels = channels
        self._rows: dict[int, int] = {}
        self._sums: dict[int, dict[str, Tensor]] = {}

    def update(self, x: Tensor, y: Tensor, slots: Tensor, clipped: Tensor, bypassed: Tensor | None = None) -> None:
        """Adds rows.

        Args:
            x: full-precision values [rows, K].
            y: quantised values, after the correction [rows, K].
            slots: slot of each row [rows]; padding (negative) is left out.
            clipped: values beyond the grid by more than half a step and not bypassed, bool [rows, K].
            bypassed: values kept in full precision, bool [rows, K]; None for none.
        """
        labels = slots.long()
        # Half-precision inputs are widened first: their squares and sums would stall.
        x, y = (part.to(torch.promote_types(part.dtype, torch.float32)) for part in (x, y))
        for slot in labels[labels >= 0].unique().tolist():
            rows = labels == slot
            here, lost = x[rows], clipped[rows]
            error = (y[rows] - here).square_()
            clip = (error * lost).sum(0, dtype=torch.float64)
            kept = torch.zeros(self.channels, dtype=torch.int64) if bypassed is None else bypassed[rows].sum(0)
            added = {
                "clipped": lost.sum(0),
                "bypassed": kept,
                "signal_sq": here.square().sum(0, dtype=torch.float64),
                "clip_sq": clip,
                "round_sq": (error.sum(0, dtype=torch.float64) - clip).clamp_min_(0),
            }
            self._put(slot, len(here), {name: values.cpu() for name, values in added.items()})

    def merge(self, other: "GridUse") -> None:
        """Adds the sums of another part of the data.

        Raises:
            ValueError: another number of channels.
        """
        if other.channels != self.channels:
            raise ValueError("only sums of the same input can be merged")
        for slot, added in other._sums.items():
            self._put(slot, other._rows[slot], added)

    def rows(self) -> dict[int, dict[str, np.ndarray]]:
        """Columns of the grid_use table by slot that has tokens, one entry a channel, without group, modality, position."""
        return {
            slot: {
                "channel": np.arange(self.channels, dtype=np.int32),
                "count": np.full(self.channels, self._rows[slot], np.int64),
                **{name: sums[name].numpy() for name in _COUNTS + _SUMS},
            }
            for slot, sums in sorted(self._sums.items())
        }

    def _put(self, slot: int, rows: int, added: dict[str, Tensor]) -> None:
        self._rows[slot] = self._rows.get(slot, 0) + rows
        held = self._sums.get(slot)
        self._sums[slot] = {name: values if held is None else held[name] + values for name, values in added.items()}
