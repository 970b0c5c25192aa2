"""The tables on how ranges settle: from a capture's marks to shards, and from all shards to the final table."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import groupby

import numpy as np
import pyarrow as pa

from morphoquant.core.modality import Modality, Position, slot, unslot
from morphoquant.stats.settling import Extremes, joined, settled
from morphoquant.store.schema import TABLES
from morphoquant.store.writer import RunWriter

Marks = Sequence[dict[str, Extremes]]


def extremes_tables(marks: Marks) -> Iterator[pa.Table]:
    """The extremes table of a shard, a part a group, from the marks {group: extremes} set in it."""
    for group, own in _by_group(marks).items():
        rows = [
            {"group": group, **_names(label), "batch": mark.batch, "tokens": tokens, "absmax": peak}
            for mark in own
            for label, (tokens, peak) in sorted(mark.slots.items())
        ]
        if rows:
            yield pa.Table.from_pylist(rows, schema=TABLES["extremes"])


def settling_tables(writer: RunWriter, marks: Marks, kept: Sequence[int]) -> Iterator[pa.Table]:
    """The settling table of a run, a part a group: stored shards first, then the marks of the last one in memory.

    Args:
        writer: holds the shards.
        marks: of what is not stored.
        kept: batches of which rows are wanted.
    """
    last = _by_group(marks)
    stored = [name for table in writer.shard_tables("layers") for name in table["group"].to_pylist()]
    for group in dict.fromkeys([*stored, *last]):
        shards = [_extremes(table) for table in writer.shard_tables("extremes", {"group": group})]
        whole = joined([*shards, last.get(group, [])])
        rows = [{"group": group, **_names(row.pop("slot")), **row} for row in settled(whole, kept)]
        if rows:
            yield pa.Table.from_pylist(rows, schema=TABLES["settling"])


def complete(writer: RunWriter) -> bool:
    """Whether every stored shard has its extremes; one that an earlier release stored has none."""
    return len(writer.shard_tables("extremes", {"group": ""})) == len(writer.header.shards)


def _by_group(marks: Marks) -> dict[str, list[Extremes]]:
    found = defaultdict(list)
    for mark in marks:
        for group, extremes in mark.items():
            found[group].append(extremes)
    return found


def _extremes(table: pa.Table) -> list[Extremes]:
    rows = sorted(table.to_pylist(), key=lambda row: row["batch"])
    found = []
    for batch, own in groupby(rows, key=lambda row: row["batch"]):
        slots = {
            slot(Modality(row["modality"]), Position(row["position"])): (row["tokens"], np.array(row["absmax"], np.float32))
            for row in own
        }
        found.append(Extremes(batch, slots))
    return found


def _names(label: int) -> dict[str, str]:
    modality, position = unslot(label)
    return {"modality": str(modality), "position": str(position)}
