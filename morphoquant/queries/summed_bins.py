"""The histogram of all channels of a layer input together: added up when a capture is written, or when it is asked for."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from morphoquant.stats.bins import BIN_COUNT
from morphoquant.store.schema import TABLES

TABLE = "input_histograms"
_KEYS = ("group", "modality", "position")
# Rows that are added up at once: few enough that all between stays in the processor's cache.
_AT_ONCE = 1024


def histograms_of(table: pa.Table) -> pa.Table:
    """Rows of `input_histograms` from all rows of `histograms` of some inputs."""
    found = added_up(table, _KEYS)
    filled = [np.flatnonzero(row) for row in found.values()]
    lists = {"bins": filled, "counts": [row[bins] for row, bins in zip(found.values(), filled, strict=True)]}
    columns = {name: [key[place] for key in found] for place, name in enumerate(_KEYS)} | lists
    return pa.table([pa.array(columns[field.name], field.type) for field in TABLES[TABLE]], schema=TABLES[TABLE])


def added_up(table: pa.Table, keys: Sequence[str]) -> dict[tuple[str, ...], np.ndarray]:
    """Values in each bin over the rows that have the same keys.

    Args:
        table: `keys`, which are columns of names, and bins and counts, a list of each a row.
        keys: at least one of its columns.

    Returns:
        {keys: int64 [BIN_COUNT]}, in the order of the first rows.
    """
    codes, names = coded(table, keys)
    lists = table["bins"].combine_chunks()
    lengths = lists.value_lengths().to_numpy()
    ends = np.concatenate([[0], np.cumsum(lengths)])
    bins, counts = lists.flatten().to_numpy(), table["counts"].combine_chunks().flatten().to_numpy()
    # Sums of counts are whole numbers below 2^53, so that they are exact.
    total = np.zeros(len(names) * BIN_COUNT)
    for start in range(0, len(codes), _AT_ONCE):
        rows = slice(start, min(start + _AT_ONCE, len(codes)))
        entries = slice(ends[rows.start], ends[rows.stop])
        place = np.repeat(codes[rows] * BIN_COUNT, lengths[rows])
        place += bins[entries]
        total += np.bincount(place, counts[entries], len(total))
    return dict(zip(names, total.astype(np.int64).reshape(-1, BIN_COUNT), strict=True))


def coded(table: pa.Table, keys: Sequence[str]) -> tuple[np.ndarray, list[tuple[str, ...]]]:
    """The keys of each row as one number int64 [rows], and what each number stands for; numbered as they come."""
    code, known = np.zeros(table.num_rows, np.int64), []
    for column in (table.select(list(keys)).unify_dictionaries().combine_chunks()[key] for key in keys):
        array = column.chunk(0) if column.num_chunks else pa.array([], column.type)
        known.append(array.dictionary.to_pylist())
        code = code * max(len(known[-1]), 1) + array.indices.to_numpy()
    codes, firsts = pd.factorize(code)
    places = np.unravel_index(firsts, [max(len(names), 1) for names in known])
    return codes, list(zip(*([names[place] for place in own] for names, own in zip(known, places, strict=True)), strict=True))
