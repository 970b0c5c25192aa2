"""Histogram rows of layer inputs, ready to be summed over, with the channel statistics that they need."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyarrow as pa

from morphoquant.core.errors import StoreError
from morphoquant.core.modality import MODALITIES, POSITIONS
from morphoquant.core.selection import Selection
from morphoquant.queries.histograms import layers_with_histograms
from morphoquant.queries.layers import group_row, groups
from morphoquant.queries.modalities import where
from morphoquant.stats.bins import BIN_COUNT, bin_edges, bin_of, coarse_of, fine_edges
from morphoquant.store.ahead import ahead
from morphoquant.store.run import Run

_KEYS = ["group", "modality", "position", "channel"]
COLUMNS = [*_KEYS, "bins", "counts", "largest"]


@dataclass(frozen=True, eq=False)
class Part:
    """Histogram rows of one resolution.

    Attributes:
        rows: `quant.binned_rows.BinnedRows`; their channels are numbered through all layers.
        layer: index of each row's layer in `Statistics.places` [R].
        modality: index in MODALITIES [R].
        position: index in POSITIONS [R].
        counts: values in each bin, the largest and the finely counted among them; absent for the model.
    """

    rows: object
    layer: np.ndarray
    modality: np.ndarray
    position: np.ndarray
    counts: np.ndarray | None = None


class Statistics:
    """Channel statistics of some layer inputs: pooled ones, and the extremes of each histogram row.

    Args:
        capture: a capture run.
        places: their rows of `queries.layers.groups`.

    Attributes:
        places: the same.
        place: number of each of them, by name.
        starts: as in `queries.what_if_inputs.WhatIfInputs`.
        pooled: count, low, high and mean_abs, as in `WhatIfInputs`.
    """

    def __init__(self, capture: Run, places: pd.DataFrame):
        names = list(places["layer"])
        self.places = places
        self.place = {name: index for index, name in enumerate(names)}
        self.starts = np.concatenate([[0], np.cumsum(places["in_features"].to_numpy(np.int64))])
        columns = [*_KEYS, "count", "nan_count", "inf_count", "min", "max", "sum_abs"]
        table = capture.table("channel_stats", columns, {"group": names}).unify_dictionaries().combine_chunks()
        count = sum(sign * table[name].to_numpy() for sign, name in ((1, "count"), (-1, "nan_count"), (-1, "inf_count")))
        table, count = table.filter(pa.array(count > 0)), count[count > 0].astype(float)
        _, modality, position, channel = self.keys(table)
        low, high = (table[name].to_numpy().astype(float) for name in ("min", "max"))
        size = int(self.starts[-1])
        total = np.bincount(channel, count, size)
        seen = total > 0
        least, most = np.full(size, np.inf), np.full(size, -np.inf)
        np.minimum.at(least, channel, low)
        np.maximum.at(most, channel, high)
        sum_abs = np.bincount(channel, table["sum_abs"].to_numpy(), size)
        self.pooled = (
            total,
            np.where(seen, least, 0.0),
            np.where(seen, most, 0.0),
            np.divide(sum_abs, total, out=np.zeros(size), where=seen),
        )
        flat = self.flat(channel, modality, position)
        order = np.argsort(flat)
        self._known, self._low, self._high = flat[order], low[order], high[order]

    def keys(self, table: pa.Table) -> tuple[np.ndarray, ...]:
        """Layer, modality, position and channel (numbered through all layers) of each row."""
        layer = _codes(table["group"], self.place)
        modality = _codes(table["modality"], {str(name): place for place, name in enumerate(MODALITIES)})
        position = _codes(table["position"], {str(name): place for place, name in enumerate(POSITIONS)})
        channel = self.starts[layer] + table["channel"].to_numpy()
        return layer, modality, position, channel

    def extremes(self, channel: np.ndarray, modality: np.ndarray, position: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Smallest and largest value of each row; infinite where nobody noted them."""
        flat = self.flat(channel, modality, position)
        place = np.minimum(np.searchsorted(self._known, flat), max(len(self._known) - 1, 0))
        known = self._known[place] == flat if len(self._known) else np.zeros(len(flat), bool)
        return np.where(known, self._low[place], -np.inf), np.where(known, self._high[place], np.inf)

    @staticmethod
    def flat(channel: np.ndarray, modality: np.ndarray, position: np.ndarray) -> np.ndarray:
        return (channel * len(MODALITIES) + modality) * len(POSITIONS) + position


def kept_group(capture: Run, layer: str) -> str:
    """The input of one linear, of which the run keeps histograms.

    Raises:
        StoreError: it keeps none.
        UnknownNameError: no such layer.
    """
    group = str(group_row(capture, layer)["group"])
    kept = layers_with_histograms(capture)
    if group not in kept:
        offered = f"choose one of {', '.join(kept[:8])}{' ...' if len(kept) > 8 else ''}." if kept else "capture the model anew."
        raise StoreError(f"run {capture.run_id!r} keeps no histogram of {group!r}, so nothing can be predicted there: {offered}")
    return group


def layer_statistics(capture: Run, group: str) -> Statistics:
    """The channel statistics of one input."""
    places = groups(capture, Selection())
    return Statistics(capture, places[places["layer"] == group].reset_index(drop=True))


@contextmanager
def layer_parts(capture: Run, layer: str, selection: Selection) -> Iterator[tuple[Statistics, Iterator[Part]]]:
    """Channel statistics of the input of one linear, and its selected histogram rows, some at a time.

    Rows are read, and made ready, in threads of their own.

    Raises:
        StoreError: the run keeps no histogram of it.
        UnknownNameError: no such layer.
    """
    group = kept_group(capture, layer)
    with ahead(capture.pieces("histograms", COLUMNS, {"group": group, **where(selection)}), most=4) as tables:
        stats = layer_statistics(capture, group)
        with ahead(_parts(stats, tables, fine_rows(capture, stats))) as parts:
            yield stats, parts


def _parts(stats: Statistics, tables: Iterator[pa.Table], fine: pa.Table | None) -> Generator[Part]:
    for table in tables:
        yield from refined(stats, coarse_part(stats, table), fine)


def coarse_part(stats: Statistics, table: pa.Table) -> Part:
    """The rows of a piece of the table histograms, which has the columns `COLUMNS`."""
    from morphoquant.quant.binned_rows import BinnedRows

    table = table.unify_dictionaries().combine_chunks()
    layer, modality, position, channel = stats.keys(table)
    offsets, bins = _lists(table, "bins")
    starts, largest = _lists(table, "largest")
    counts = _lists(table, "counts")[1]
    extremes = stats.extremes(channel, modality, position)
    rows = BinnedRows.of(channel, (offsets, bins, counts), (starts, largest, bin_of(largest)), extremes, bin_edges())
    return Part(rows, layer, modality, position, counts)


def fine_rows(capture: Run, stats: Statistics) -> pa.Table | None:
    """What the run counted finely of these inputs; None if nothing."""
    if not capture.has("fine_histograms"):
        return None
    table = capture.table("fine_histograms", [*_KEYS, "bins", "counts"], {"group": list(stats.place)})
    return table.unify_dictionaries().combine_chunks()


def refined(stats: Statistics, coarse: Part, table: pa.Table | None) -> tuple[Part, ...]:
    """`coarse` without what the fine histograms of its rows tell more exactly, and those."""
    from morphoquant.quant.binned_rows import BinnedRows

    if table is None or not table.num_rows:
        return (coarse,)
    rows = coarse.rows
    known = pd.Index(stats.flat(rows.channel, coarse.modality, coarse.position))
    layer, modality, position, channel = stats.keys(table)
    places = known.get_indexer(stats.flat(channel, modality, position))
    own = places >= 0
    if not own.any():
        return (coarse,)
    places, table = places[own], table.filter(pa.array(own))
    layer, modality, position, channel = (column[own] for column in (layer, modality, position, channel))
    offsets, bins = _lists(table, "bins")
    amount = _lists(table, "counts")[1]
    keep = np.ones(len(rows.channel), bool)
    keep[places] = False
    # The largest values of the finely counted rows are among the fine bins: they come back, and leave with these.
    rest = np.where(np.repeat(keep, np.diff(rows.offsets)), rows.counts, coarse.counts.astype(np.float32))
    for place, start, end in zip(places, offsets[:-1], offsets[1:], strict=True):
        own = slice(rows.offsets[place], rows.offsets[place + 1])
        rest[own] -= np.bincount(coarse_of(bins[start:end]), amount[start:end], BIN_COUNT)[rows.bins[own]].astype(np.float32)
    sizes = np.diff(rows.largest_offsets)
    ends = np.concatenate([[0], np.cumsum(np.where(keep, sizes, 0))]).astype(np.int64)
    extremes = stats.extremes(channel, modality, position)
    low, high = rows.low.copy(), rows.high.copy()
    low[places], high[places] = extremes
    plain = replace(rows, counts=rest, largest_offsets=ends, largest=rows.largest[np.repeat(keep, sizes)], low=low, high=high)
    none = np.zeros(len(channel) + 1, np.int64), np.empty(0, np.float32), np.empty(0, np.int64)
    fine = BinnedRows.of(channel, (offsets, bins, amount), none, extremes, fine_edges())
    return replace(coarse, rows=plain), Part(fine, layer, modality, position)


def _codes(column: pa.ChunkedArray, places: dict[str, int]) -> np.ndarray:
    """The number of each name of a dictionary column."""
    array = column.combine_chunks()
    array = array.chunk(0) if isinstance(array, pa.ChunkedArray) else array
    known = np.array([places.get(name, -1) for name in array.dictionary.to_pylist()], np.int64)
    return known[array.indices.to_numpy()]


def _lists(table: pa.Table, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Offsets and values of a list column."""
    column = table[name]
    lists = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    lengths = lists.value_lengths().to_numpy()
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64), lists.flatten().to_numpy()
