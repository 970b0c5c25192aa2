"""Small copies of runs to ship with the project: all layers' errors and statistics, fine tables of some layers only.

Moments and sums are rounded to 12 significant bits (relative error below 2.5e-4), less than half their size; extremes and counts
stay exact. Tokens are left out, or a few of them go into a table of their own, rounded to the 11 significant bits of float16
(relative error below 5e-4) with the range of float32: enough to look at, and no method takes them for the sample it is fitted
to. What was left out is said in the copy's summary, and its header is marked as stored.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from morphoquant.store.atomic import replacing
from morphoquant.store.run import Run, footer_checksum
from morphoquant.store.schema import TABLES

FINE = ("histograms", "input_histograms", "fine_histograms", "grids", "grid_use")
LEFT_OUT = ("token_sample", "shown_tokens", "sequences")
TOKENS, SHOWN = "token_sample", "shown_tokens"
_DROPPED_BITS = 52 - 11
_DROPPED_BITS_SHOWN = 23 - 10


def ship(run: Run, folder: Path, groups: Collection[str], tokens: int = 0) -> Path:
    """Writes a small copy of a finished run.

    Args:
        run: the run.
        folder: folder of shipped runs, `<cache>/stored`.
        groups: layer inputs whose fine tables are kept.
        tokens: kept tokens of each of these inputs, modality and position class that are shipped for looking at, at most; those
            with the smallest priorities, which a capture that keeps so few would hold.

    Returns:
        The copy's folder.

    Raises:
        StoreError: the run cannot be read or the copy not written.
    """
    target = folder / run.run_id
    rows, footers = {}, {}
    for name in sorted(run.header.tables):
        if name not in LEFT_OUT:
            table, file = run.table(name, where={"group": sorted(groups)} if name in FINE else None), f"{name}.parquet"
            rows[name] = _write(target / file, name, table)
            footers[file] = footer_checksum(target / file)
    if tokens and groups and run.has(TOKENS):
        few, file = _first(run.table(TOKENS, where={"group": sorted(groups)}), tokens), f"{SHOWN}.parquet"
        rows[SHOWN] = _write(target / file, SHOWN, few)
        footers[file] = footer_checksum(target / file)
    told = f"at most {tokens} tokens of each modality there, to look at" if SHOWN in rows else "no kept tokens"
    layered = f"histograms, grids and grid use of {len(groups)} layer inputs; {told}; "
    kept = (layered if run.has("layers") else "") + "sums to 12 significant bits"
    summary = {**run.header.summary, "shipped": kept, "shipped_groups": sorted(groups)}
    replace(run.header, tables=rows, footers=footers, stored=True, summary=summary).write(target)
    return target


def _first(table: pa.Table, tokens: int) -> pa.Table:
    """The `tokens` rows of smallest priority of each input, modality and position class, rounded."""
    table = table.unify_dictionaries().combine_chunks()
    keys = table.select(["group", "modality", "position", "priority"]).to_pandas()
    rank = keys.groupby(["group", "modality", "position"], observed=True)["priority"].rank()
    few = table.filter(pa.array((rank <= tokens).to_numpy())).combine_chunks()
    lists = few["values"].combine_chunks()
    values = _rounded_bits(lists.flatten().to_numpy(), np.uint32, _DROPPED_BITS_SHOWN)
    starts = np.concatenate([[0], np.cumsum(lists.value_lengths().to_numpy())]).astype(np.int32)
    short = pa.ListArray.from_arrays(pa.array(starts), pa.array(values))
    return few.set_column(few.schema.get_field_index("values"), TABLES[SHOWN].field("values"), short)


def _write(path: Path, name: str, table: pa.Table) -> int:
    schema, table = TABLES[name], table.unify_dictionaries().combine_chunks()
    keys = [field.name for field in schema if pa.types.is_dictionary(field.type)]
    floats = [field.name for field in schema if pa.types.is_floating(field.type)]
    split = [*floats, "values.list.element"] if name == SHOWN else floats
    for column in floats:
        place = schema.get_field_index(column)
        if pa.types.is_float64(schema.field(column).type):
            table = table.set_column(place, schema.field(column), _rounded(table[column]))
    with replacing(path) as sibling:
        encoding = {column: "BYTE_STREAM_SPLIT" for column in split}
        options = {"use_dictionary": keys, "column_encoding": encoding, "compression": "zstd", "compression_level": 19}
        options["write_page_checksum"] = True
        with pq.ParquetWriter(sibling, schema, **options) as file:
            for part in _by_key(table, keys[0] if keys else None):
                file.write_table(part, row_group_size=max(part.num_rows, 1))
    return table.num_rows


def _by_key(table: pa.Table, key: str | None) -> Sequence[pa.Table]:
    """Runs of equal keys, gathered into parts of some ten thousand rows, so that readers of one layer skip most."""
    if key is None or not table.num_rows:
        return [table]
    codes = table[key].combine_chunks().indices.to_numpy(zero_copy_only=False)  # NaN for null
    edges = [0, *(np.flatnonzero(np.diff(codes)) + 1).tolist(), table.num_rows]
    starts = [0]
    for edge in edges[1:-1]:
        if edge - starts[-1] >= 20_000:
            starts.append(edge)
    ends = [*starts[1:], table.num_rows]
    return [table.slice(start, end - start) for start, end in zip(starts, ends, strict=True)]


def _rounded(column: pa.ChunkedArray) -> pa.Array:
    array = column.combine_chunks()
    missing = array.is_null().to_numpy(zero_copy_only=False)
    values = array.fill_null(0.0).to_numpy(zero_copy_only=False)
    return pa.array(_rounded_bits(values, np.uint64, _DROPPED_BITS), mask=missing)


def _rounded_bits(values: np.ndarray, kind: type, dropped: int) -> np.ndarray:
    """`values` without the last `dropped` bits of their significand, rounded half up in magnitude; NaN and infinity stay."""
    bits = values.copy().view(kind)
    half = kind(1 << (dropped - 1))
    bits = (bits + half) & ~kind((1 << dropped) - 1)
    return np.where(np.isfinite(values), bits.view(values.dtype), values)
