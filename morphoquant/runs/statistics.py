"""Statistics of layer inputs as tables of a run folder, and back, so that shards can be merged."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from morphoquant.core.modality import Modality, Position, slot, unslot
from morphoquant.runs.tables import keyed
from morphoquant.stats.channel_stats import ChannelStats
from morphoquant.stats.columns import Ragged, SlotColumns

NAMES = ("channel_stats", "histograms", "token_sample", "fine_histograms")


def statistics_tables(stats: Mapping[str, ChannelStats], name: str) -> Iterator[pa.Table]:
    """Table `name` of every group, a part a group."""
    for group, one in stats.items():
        parts = [_part(name, group, label, getattr(columns, name)) for label, columns in one.rows().items()]
        if parts:
            yield pa.concat_tables(parts).unify_dictionaries()


def statistics_of(group: str, tables: Mapping[str, pa.Table], keep_rows: int, seed: int) -> ChannelStats:
    """Inverse of `statistics_tables` for the rows of one group."""
    found: dict[int, dict[str, dict[str, Any]]] = {}
    for name in NAMES:
        table = tables[name]
        modalities, positions = (table[key].cast(pa.string()) for key in ("modality", "position"))
        pairs = sorted(set(zip(modalities.to_pylist(), positions.to_pylist(), strict=True)))
        for modality, position in pairs:
            here = pa.compute.and_(pa.compute.equal(modalities, modality), pa.compute.equal(positions, position))
            label = slot(Modality(modality), Position(position))
            found.setdefault(label, {})[name] = _columns(table.filter(here))
    rows = {label: SlotColumns(*(columns[name] for name in NAMES)) for label, columns in found.items()}
    channels = int(pa.compute.max(tables["channel_stats"]["channel"]).as_py()) + 1
    return ChannelStats.from_rows(rows, channels, keep_rows, seed)


def _part(name: str, group: str, label: int, columns: Mapping[str, Any]) -> pa.Table:
    modality, position = unslot(label)
    arrays = {key: _arrow(value) for key, value in columns.items()}
    rows = len(next(iter(arrays.values())))
    return keyed(name, {"group": group, "modality": str(modality), "position": str(position)}, arrays, rows)


def _arrow(value: np.ndarray | Ragged) -> pa.Array:
    if isinstance(value, Ragged):
        return pa.ListArray.from_arrays(pa.array(value.offsets), pa.array(value.values))
    return pa.array(value)


def _columns(table: pa.Table) -> dict[str, np.ndarray | Ragged]:
    columns: dict[str, np.ndarray | Ragged] = {}
    for name in table.schema.names:
        if name in ("group", "modality", "position"):
            continue
        array = table[name].combine_chunks()
        if pa.types.is_list(array.type):
            lengths = np.diff(array.offsets.to_numpy())
            columns[name] = Ragged(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32), array.flatten().to_numpy())
        else:
            columns[name] = array.to_numpy(zero_copy_only=False)
    return columns
