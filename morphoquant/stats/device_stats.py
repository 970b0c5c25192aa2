"""What ChannelStats keeps on a device while rows come in there: nothing is read back before somebody asks.

A copy to the host makes it wait until the device has done all that was asked of it, and each copy stops the model's forward
for that long. So the state of every slot, the kept rows and the choice of the finely counted channels stay on the device.
What the host decides, the order of the rows and which of them are kept, goes there from pinned memory without waiting.
"""

import functools

import numpy as np
import torch
from torch import Tensor

from morphoquant.stats.arrangement import Arrangement, Draw
from morphoquant.stats.bins import BIN_COUNT, FINE_COUNT
from morphoquant.stats.fine import WIDE
from morphoquant.stats.torch_pass import Part, add_fine, add_histogram, new_counters


class DeviceStats:
    """Statistics of rows of one input since they last went to the host.

    Args:
        device: where the rows are.
        sample: rows kept so far, float32 [places, kept, K].
        fine: channels that are counted finely, ascending; none if that is still to be settled.

    Attributes:
        rows: rows by place, NaN and infinities among them.
        parts: statistics by place.
        counters: histograms by place, int32 [K * BIN_COUNT + 1].
        fine_counters: fine histograms by slot, int32 [channels * FINE_COUNT + 1].
        fine_channels: int64 [channels], None before the first rows.
        sample: as given, on the device.
    """

    def __init__(self, device: torch.device, sample: np.ndarray, fine: np.ndarray):
        self.device = device
        self.rows: dict[int, int] = {}
        self.parts: dict[int, Part] = {}
        self.counters: dict[int, Tensor] = {}
        self.fine_counters: dict[int, Tensor] = {}
        self.fine_channels = _on(fine, device) if len(fine) else None
        self.sample = _on(sample, device)

    @property
    def nbytes(self) -> int:
        """Bytes held on the device."""
        tensors = [*self.counters.values(), *self.fine_counters.values(), self.sample]
        return sum(tensor.nbytes for tensor in tensors) + sum(part.nbytes for part in self.parts.values())

    def update(self, x: Tensor, rows: Arrangement, places: np.ndarray) -> None:
        """Adds rows [rows, K] of any floating type; `places` are those of `rows.slots`."""
        order = _order_on(rows, self.device)
        blocks = [x[order[start:end]].float() for start, end in zip(rows.starts[:-1], rows.starts[1:], strict=True)]
        for place, block in zip(places.tolist(), blocks, strict=True):
            part = Part.of(block)
            self.parts[place] = self.parts[place].joined(part) if place in self.parts else part
            self.rows[place] = self.rows.get(place, 0) + len(block)
            if place not in self.counters:
                self.counters[place] = new_counters(block.shape[1], BIN_COUNT, self.device)
            add_histogram(block, self.counters[place])
        if self.fine_channels is None:
            self.fine_channels = _widest([self.parts[place] for place in places.tolist()])
        for slot, block in zip(rows.slots, blocks, strict=True):
            if slot not in self.fine_counters:
                self.fine_counters[slot] = new_counters(len(self.fine_channels), FINE_COUNT, self.device)
            add_fine(block.index_select(1, self.fine_channels), self.fine_counters[slot])

    def extended(self, low: np.ndarray, high: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Extremes [places, K] and rows [places] of before, with those on the device."""
        low, high, rows = low.copy(), high.copy(), rows.copy()
        for place, part in self.parts.items():
            low[place] = np.minimum(low[place], part.low.cpu().numpy())
            high[place] = np.maximum(high[place], part.high.cpu().numpy())
            rows[place] += self.rows[place]
        return low, high, rows

    def keep(self, x: Tensor, draw: Draw, places: np.ndarray, total: int) -> None:
        """Copies the drawn rows into the sample, which has room for `total` places; `places` are those of the draw's slots."""
        if total > len(self.sample):
            self.sample = torch.cat([self.sample, self.sample.new_zeros(total - len(self.sample), *self.sample.shape[1:])])
        if len(draw.rows):
            kept = self.sample.shape[1]
            chosen = x.index_select(0, _on(draw.rows, self.device)).float()
            self.sample.flatten(0, 1).index_copy_(0, _on(places[draw.owners] * kept + draw.places, self.device), chosen)


def _widest(parts: list[Part]) -> Tensor:
    """The channels that `FineCounts.choose` settles on, int64 [WIDE] or all if they are fewer."""
    high, low = torch.stack([part.high for part in parts]).amax(0), torch.stack([part.low for part in parts]).amin(0)
    reach = torch.maximum(high, -low)
    # A sort, because which of equal channels a topk gives is left open.
    order = torch.where(torch.isfinite(reach), reach, 0.0).sort(descending=True, stable=True).indices
    return order[:WIDE].sort().values


@functools.lru_cache(maxsize=4)
def _order_on(rows: Arrangement, device: torch.device) -> Tensor:
    """One copy for all inputs of a forward; arrangements are told apart by identity."""
    return _on(rows.order, device)


def _on(values: np.ndarray, device: torch.device) -> Tensor:
    host = torch.from_numpy(np.ascontiguousarray(values))
    return (host.pin_memory() if device.type == "cuda" else host).to(device, non_blocking=True)
