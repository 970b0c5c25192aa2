"""GridUse: how a static grid's channels are used, added up by slot and channel. The sums of the grid_use table."""

import numpy as np
import torch
from torch import Tensor

from morphoquant.metrics.error_sums import float32
from morphoquant.metrics.kernels import channel_sums

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
        kept = torch.zeros_like(clipped) if bypassed is None else bypassed
        keep = slots >= 0
        if not bool(keep.all()):
            x, y, clipped, kept, slots = (part[keep] for part in (x, y, clipped, kept, slots))
        found, places, rows = slots.unique(return_inverse=True, return_counts=True)
        counts, sums = _summed(x, y, clipped, kept, places, len(found))
        for place, slot in enumerate(found.tolist()):
            added = dict(zip(_COUNTS, counts[place], strict=True)) | dict(zip(_SUMS, sums[place], strict=True))
            self._put(slot, int(rows[place]), added)

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


def _summed(x: Tensor, y: Tensor, clipped: Tensor, bypassed: Tensor, places: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Counts int64 [size, 2, K] and sums float64 [size, 3, K] of the rows of each place."""
    counts, sums = torch.zeros(size, 2, x.shape[1], dtype=torch.int64), torch.zeros(size, 3, x.shape[1], dtype=torch.float64)
    if x.device.type == "cpu":
        flags = clipped.numpy(), bypassed.numpy()
        channel_sums(float32(x), float32(y), *flags, places.numpy(), counts.numpy(), sums.numpy())
        return counts, sums
    x, y = x.double(), y.double()
    error = (y - x).square()
    places = places.to(x.device)
    for index, part in enumerate((clipped, bypassed)):
        counts[:, index] = torch.zeros_like(counts[:, index], device=x.device).index_add_(0, places, part.long()).cpu()
    for index, part in enumerate((x.square(), error * clipped, error * ~clipped)):
        sums[:, index] = torch.zeros_like(sums[:, index], device=x.device).index_add_(0, places, part).cpu()
    return counts, sums
