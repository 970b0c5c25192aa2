"""ChannelStats: all statistics of one layer input, by slot and channel, exactly mergeable."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from morphoquant.stats import magnitudes
from morphoquant.stats.arrangement import Arrangement, arrange
from morphoquant.stats.bins import BIN_COUNT
from morphoquant.stats.columns import Ragged, SlotColumns
from morphoquant.stats.counters import ROOM, Overflow, add_counts, nonzero, offsets_of, relieve
from morphoquant.stats.device_stats import DeviceStats
from morphoquant.stats.fine import FineCounts
from morphoquant.stats.kept_rows import KeptRows
from morphoquant.stats.kernel import accumulate
from morphoquant.stats.magnitudes import LARGEST
from morphoquant.stats.moments import Moments, merge
from morphoquant.stats.threads import scratch, use_threads
from morphoquant.stats.torch_pass import filled

_POWERS = ("mean", "m2", "m3", "m4")


class ChannelStats:
    """Counts, extremes, moments, histogram, largest magnitudes and a sample of rows, for each slot that occurs.

    Arrays are stacked by place, in the order in which slots first occurred: memory grows with channels and slots, never
    with rows.

    Args:
        channels: width of the input (K).
        keep_rows: rows kept of each slot.
        seed: of the choice of kept rows.
    """

    def __init__(self, channels: int, keep_rows: int = 64, seed: int = 0):
        self.channels = channels
        self.keep_rows = keep_rows
        self.seed = seed
        self._places: dict[int, int] = {}
        self._rows = np.zeros(0, np.int64)
        self._since = np.zeros(0, np.int64)  # rows since the counters were relieved
        self._arrays = self._empty(0)
        self._overflow: list[Overflow] = []
        self._sample = KeptRows(channels, keep_rows)
        self._device: DeviceStats | None = None
        self._fine = FineCounts()

    def _empty(self, places: int) -> dict[str, np.ndarray]:
        k = self.channels
        return {
            "nans": np.zeros((places, k), np.int64),
            "infs": np.zeros((places, k), np.int64),
            "low": np.full((places, k), np.inf, np.float32),
            "high": np.full((places, k), -np.inf, np.float32),
            "moments": np.zeros((places, 4, k)),
            "sums_abs": np.zeros((places, k)),
            "counters": np.zeros((places, k, BIN_COUNT), np.uint16),
            "keys": np.zeros((places, k, LARGEST), np.uint32),
        }

    @property
    def slots(self) -> tuple[int, ...]:
        """Slots that have rows, ascending."""
        return tuple(sorted(self._places))

    @property
    def nbytes(self) -> int:
        """Bytes held, in the CPU's memory and on devices."""
        held = sum(array.nbytes for array in self._arrays.values())
        held += sum(part.index.nbytes + part.counts.nbytes for part in self._overflow) + self._sample.values.nbytes
        return held + (self._device.nbytes if self._device else 0)

    def update(self, x: Tensor | np.ndarray, slots: Tensor | np.ndarray, keys: Tensor | np.ndarray) -> None:
        """Adds rows.

        Args:
            x: [rows, K], any floating type, any device.
            slots: int8 [rows], `PADDING` for rows that do not count.
            keys: uint64 [rows], one number for each token, the same for the same token in every batch size.
        """
        self.update_arranged(torch.as_tensor(x), arrange(_numpy(slots), _numpy(keys), self.keep_rows, self.seed))

    def update_arranged(self, x: Tensor, rows: Arrangement) -> None:
        """`update` with the order of the rows already worked out."""
        if x.ndim != 2 or x.shape[1] != self.channels:
            raise ValueError(f"rows must be [rows, {self.channels}], got {list(x.shape)}")
        if not rows.slots:
            return
        self._make_room(rows.slots)
        places = np.array([self._places[slot] for slot in rows.slots], dtype=np.int64)
        if x.device.type == "cpu":
            self._update_cpu(x.detach(), rows, places)
        else:
            self._update_device(x.detach(), rows, places)

    def _update_cpu(self, x: Tensor, rows: Arrangement, places: np.ndarray) -> None:
        self._settle()
        threads = use_threads()
        bits = _bits_of(x)
        for order, starts in rows.pieces(ROOM):
            added = np.diff(starts)
            for place in places[self._since[places] + added > ROOM]:
                self._relieve(place)
            accumulate(bits, order, starts, places, self._rows, **self._arrays, tiles=scratch(threads))
            self._rows[places] += added
            self._since[places] += added
        if len(self._fine.channels) == 0:
            self._fine.choose(self._arrays["low"][places], self._arrays["high"][places])
        wide = x[:, self._fine.channels].to(torch.float32).numpy()
        self._fine.update(wide, rows.order, rows.starts, np.array(rows.slots, np.int64))
        self._sample.update(x, rows, places)

    def _update_device(self, x: Tensor, rows: Arrangement, places: np.ndarray) -> None:
        if self._device is not None and self._device.device != x.device:
            self._settle()
        if self._device is None:
            self._device = DeviceStats(x.device, self._sample.values, self._fine.channels)
        self._device.update(x, rows, places)
        self._device.keep(x, self._sample.draw(rows, places), places, len(self._places))

    def _make_room(self, slots: tuple[int, ...]) -> None:
        fresh = [slot for slot in slots if slot not in self._places]
        if not fresh:
            return
        for slot in fresh:
            self._places[slot] = len(self._places)
            self._overflow.append(Overflow.empty())
        more = self._empty(len(fresh))
        if len(self._places) == len(fresh):
            self._arrays = more  # untouched zero pages take no memory until they are written
        else:
            self._arrays = {name: np.concatenate([array, more[name]]) for name, array in self._arrays.items()}
        self._sample.make_room(len(fresh))
        self._rows = np.concatenate([self._rows, np.zeros(len(fresh), np.int64)])
        self._since = np.concatenate([self._since, np.zeros(len(fresh), np.int64)])

    def _finite(self, place: int) -> np.ndarray:
        return self._rows[place] - self._arrays["nans"][place] - self._arrays["infs"][place]

    def _moments(self, place: int) -> Moments:
        return Moments(self._finite(place), *self._arrays["moments"][place])

    def _join_moments(self, place: int, part: Moments) -> None:
        joined = merge(self._moments(place), part)
        empty = joined.count == 0
        self._arrays["moments"][place] = [np.where(empty, 0.0, getattr(joined, name)) for name in _POWERS]

    def _join_rest(self, place, rows, nans, infs, low, high, sums_abs, keys) -> None:
        arrays = self._arrays
        arrays["nans"][place] += nans
        arrays["infs"][place] += infs
        np.minimum(arrays["low"][place], low, out=arrays["low"][place])
        np.maximum(arrays["high"][place], high, out=arrays["high"][place])
        arrays["sums_abs"][place] += sums_abs
        arrays["keys"][place] = magnitudes.join(arrays["keys"][place], keys)
        self._rows[place] += rows

    def _relieve(self, place: int) -> None:
        relieve(self._arrays["counters"][place], self._overflow[place])
        self._since[place] = 0

    def _add_counts(self, place: int, index: np.ndarray, counts: np.ndarray) -> None:
        self._relieve(place)
        add_counts(self._arrays["counters"][place], self._overflow[place], index, counts)
        self._relieve(place)

    def _settle(self) -> None:
        """Brings what a device holds."""
        if self._device is None:
            return
        held, self._device = self._device, None
        for place, part in held.parts.items():
            found = part.numpy()
            self._join_moments(place, Moments(found.pop("count"), *(found.pop(name) for name in _POWERS)))
            self._join_rest(place, held.rows[place], **found)
            self._add_counts(place, *filled(held.counters[place]))
        self._fine.add(held.fine_channels.cpu().numpy(), {slot: filled(counts) for slot, counts in held.fine_counters.items()})
        self._sample.values = held.sample.cpu().numpy()

    def merge(self, other: "ChannelStats") -> None:
        """Adds everything `other` has seen; `other` stays as it is, but for what is fetched from its device.

        Raises:
            ValueError: the two differ in channels, kept rows or seed (a programming error).
        """
        if (self.channels, self.keep_rows, self.seed) != (other.channels, other.keep_rows, other.seed):
            raise ValueError("statistics to merge must agree in channels, kept rows and seed")
        for one in (self, other):
            one._settle()
        self._make_room(other.slots)
        for slot, theirs in other._places.items():
            place = self._places[slot]
            self._join_moments(place, other._moments(theirs))
            rest = [other._arrays[name][theirs] for name in ("nans", "infs", "low", "high", "sums_abs", "keys")]
            self._join_rest(place, other._rows[theirs], *rest)
            self._add_counts(place, *nonzero(other._arrays["counters"][theirs], other._overflow[theirs]))
            self._sample.add(place, *other._sample.of(theirs))
        self._fine.merge(other._fine)

    def extremes(self) -> dict[int, tuple[int, np.ndarray]]:
        """{slot: (rows, float32 [K] largest finite magnitude of each channel, 0 where there is none)} of the rows so far."""
        low, high, rows = self._arrays["low"], self._arrays["high"], self._rows
        if self._device is not None:
            low, high, rows = self._device.extended(low, high, rows)
        peaks = {slot: np.maximum(high[place], -low[place]).clip(min=0.0) for slot, place in self._places.items()}
        return {slot: (int(rows[self._places[slot]]), peak) for slot, peak in peaks.items()}

    def rows(self) -> dict[int, SlotColumns]:
        """Everything, as columns of the tables of `SlotColumns`, by slot."""
        self._settle()
        return {slot: self._columns(slot, self._places[slot]) for slot in self.slots}

    def _columns(self, slot: int, place: int) -> SlotColumns:
        arrays, k = self._arrays, self.channels
        channel = np.arange(k, dtype=np.int32)
        finite = self._finite(place)
        measured = {"min": arrays["low"][place], "max": arrays["high"][place]}
        measured |= dict(zip(_POWERS, arrays["moments"][place], strict=True)) | {"sum_abs": arrays["sums_abs"][place]}
        stats = {
            "channel": channel,
            "count": np.full(k, self._rows[place]),
            "nan_count": arrays["nans"][place].copy(),
            "inf_count": arrays["infs"][place].copy(),
        }
        empty = finite == 0
        for name, values in measured.items():
            stats[name] = np.ma.masked_array(values, mask=empty).copy() if empty.any() else values.copy()
        index, counts = nonzero(arrays["counters"][place], self._overflow[place])
        offsets = offsets_of(index, k)
        filled = np.minimum(finite, LARGEST)
        largest = magnitudes.values_of(arrays["keys"][place][np.arange(LARGEST) < filled[:, None]])
        histograms = {
            "channel": channel,
            "bins": Ragged(offsets, (index % BIN_COUNT).astype(np.uint16)),
            "counts": Ragged(offsets, counts.astype(np.uint32)),
            "largest": Ragged(np.concatenate([[0], np.cumsum(filled)]).astype(np.int32), largest),
        }
        priority, values = self._sample.of(place)
        return SlotColumns(stats, histograms, {"priority": priority, "values": Ragged.of_matrix(values)}, self._fine.rows(slot))

    @classmethod
    def from_rows(cls, rows: Mapping[int, SlotColumns], channels: int, keep_rows: int, seed: int) -> "ChannelStats":
        """Inverse of `rows`: statistics that go on where the stored ones ended.

        Args:
            rows: columns by slot, channels 0..K-1 in order; absent values masked or NaN.
            channels: width of the input (K).
            keep_rows: rows kept of each slot, as when the rows were made.
            seed: as when the rows were made.
        """
        made = cls(channels, keep_rows, seed)
        for slot in sorted(rows):
            made._restore(slot, rows[slot])
        return made

    def _restore(self, slot: int, columns: SlotColumns) -> None:
        self._make_room((slot,))
        place = self._places[slot]
        stats, arrays = columns.channel_stats, self._arrays
        absent = {"min": np.inf, "max": -np.inf}
        plain = {name: _filled(stats[name], absent.get(name, 0.0)) for name in ("min", "max", *_POWERS, "sum_abs")}
        self._rows[place] = stats["count"][0]
        arrays["nans"][place], arrays["infs"][place] = stats["nan_count"], stats["inf_count"]
        arrays["low"][place], arrays["high"][place] = plain["min"], plain["max"]
        arrays["moments"][place] = [plain[name] for name in _POWERS]
        arrays["sums_abs"][place] = plain["sum_abs"]
        bins, largest = columns.histograms["bins"], columns.histograms["largest"]
        owner = np.repeat(np.arange(self.channels, dtype=np.int64), np.diff(bins.offsets))
        counts = columns.histograms["counts"].values.astype(np.int64)
        self._add_counts(place, owner * BIN_COUNT + bins.values, counts)
        filled = np.diff(largest.offsets)[:, None] > np.arange(LARGEST)
        arrays["keys"][place][filled] = magnitudes.keys_of(largest.values)
        sample = columns.token_sample
        self._sample.add(place, sample["priority"], sample["values"].values.reshape(-1, self.channels))
        self._fine.restore(slot, columns.fine_histograms)


def place_bytes(keep_rows: int) -> int:
    """Bytes that one channel of one slot takes, of whatever rows; what many rows leave over and fine histograms come on top."""
    one = ChannelStats(1, keep_rows)
    one.update(np.zeros((1, 1), np.float32), np.zeros(1, np.int8), np.zeros(1, np.uint64))
    return one.nbytes


def _numpy(values: Tensor | np.ndarray) -> np.ndarray:
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)


def _bits_of(x: Tensor) -> np.ndarray:
    """Bits of rows on the CPU as the kernel reads them: half of a float32's for bfloat16, which needs no wider copy."""
    if x.dtype == torch.bfloat16:
        return x.contiguous().view(torch.uint16).numpy()
    return x.to(torch.float32).contiguous().numpy().view(np.uint32)


def _filled(values: np.ndarray, absent: float) -> np.ndarray:
    return np.ma.filled(np.ma.masked_invalid(values), absent)
