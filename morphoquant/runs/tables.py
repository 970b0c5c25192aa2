"""From the engine's sums to the tables of a run folder, and the merging of tables of two parts of the data."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from morphoquant.core.layers import LayerInfo
from morphoquant.core.modality import unslot
from morphoquant.methods.base import GroupFit
from morphoquant.runs.answers import Question
from morphoquant.runs.measure import Measured
from morphoquant.store.schema import TABLES

# Columns that tell rows apart, beside all those of names.
_KEYS = ("channel", "width", "block", "distance")


def layers_table(layers: Iterable[LayerInfo]) -> pa.Table:
    """The layers table."""
    rows = [
        {
            "layer": layer.name,
            "group": layer.group,
            "component": str(layer.component),
            "block": layer.block,
            "role": layer.role,
            "in_features": layer.in_features,
            "out_features": layer.out_features,
        }
        for layer in layers
    ]
    return pa.Table.from_pylist(rows, schema=TABLES["layers"])


def tokens_table(samples: Sequence[Mapping[int, int]], first: int) -> pa.Table:
    """The tokens table of samples `first`, `first` + 1, ...; each is {slot: tokens}."""
    rows = [
        {"sample": sample, "modality": str(modality), "position": str(position), "count": count}
        for sample, counts in enumerate(samples, first)
        for (modality, position), count in ((unslot(label), count) for label, count in sorted(counts.items()))
    ]
    return pa.Table.from_pylist(rows, schema=TABLES["tokens"])


def keyed(name: str, keys: Mapping[str, str], columns: Mapping[str, Any], rows: int) -> pa.Table:
    """A table of schema `name` from columns and names that are the same in every row; NaN becomes null."""
    schema = TABLES[name]
    arrays = []
    for field in schema:
        if field.name in keys:
            indices = pa.array(np.zeros(rows, np.int32))
            arrays.append(pa.DictionaryArray.from_arrays(indices, pa.array([keys[field.name]], pa.string())))
        else:
            value = columns[field.name]
            null = field.nullable and isinstance(value, np.ndarray) and value.dtype.kind == "f"
            arrays.append(value if isinstance(value, pa.Array) else pa.array(value, type=field.type, from_pandas=null))
    return pa.Table.from_arrays(arrays, schema=schema)


def grids_tables(fits: Mapping[str, GroupFit]) -> Iterator[pa.Table]:
    """The grids table, a part a group that has a static grid."""
    for group, fit in fits.items():
        if fit.columns is not None:
            yield keyed("grids", {"group": group}, fit.columns, len(fit.columns["channel"]))


def errors_table(measured: Measured) -> pa.Table:
    """The errors table of one fit."""
    rows = [
        {
            "layer": layer,
            "modality": str(unslot(label)[0]),
            "position": str(unslot(label)[1]),
            "tap": tap,
            "source": source,
            **columns,
        }
        for (layer, tap, source), sums in measured.errors.items()
        for label, columns in sums.rows().items()
    ]
    return pa.Table.from_pylist(rows, schema=TABLES["errors"])


def grid_use_tables(measured: Measured) -> Iterator[pa.Table]:
    """The grid_use table of one fit, a part a group and slot."""
    for group, use in measured.use.items():
        for label, columns in use.rows().items():
            modality, position = unslot(label)
            keys = {"group": group, "modality": str(modality), "position": str(position)}
            yield keyed("grid_use", keys, columns, use.channels)


def answers_table(questions: Sequence[Question], log_likelihoods: Sequence[Sequence[float]]) -> pa.Table:
    """The answers table of questions, from the log-likelihood of each choice."""
    rows = [
        {
            "item": question.item.id,
            "task": question.item.task,
            "subject": question.item.subject,
            "control": question.control,
            "choices": list(question.item.choices),
            "answer": question.item.answer,
            "log_likelihoods": list(found),
        }
        for question, found in zip(questions, log_likelihoods, strict=True)
    ]
    return pa.Table.from_pylist(rows, schema=TABLES["answers"])


def refused_table(refused: Sequence[tuple[str, str]]) -> pa.Table:
    """The refused table of (identifier, reason) pairs."""
    return pa.Table.from_pylist([{"item": item, "reason": reason} for item, reason in refused], schema=TABLES["refused"])


def sensitivity_table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """The sensitivity table of rows by column name."""
    return pa.Table.from_pylist(list(rows), schema=TABLES["sensitivity"])


def sensitivity_added_up(parts: Sequence[pa.Table]) -> pa.Table:
    """Joins the sensitivity tables of shards, in the order of the first: all groups hold the same items."""
    keys, found = ("group", "component", "block", "role", "subject"), {}
    for row in (row for part in parts for row in part.to_pylist()):
        key = tuple(row.pop(name) for name in keys)
        sums = found.setdefault(key, dict.fromkeys(row, 0))
        for name, value in row.items():
            sums[name] += value
    order = {group: place for place, group in enumerate(dict.fromkeys(key[0] for key in found))}
    rows = [
        {**dict(zip(keys, key, strict=True)), **sums} for key, sums in sorted(found.items(), key=lambda one: order[one[0][0]])
    ]
    return sensitivity_table(rows)


def summed_up(
    tables: Mapping[str, Iterable[pa.Table]], name: str, summary: str, sum_up: Callable[[pa.Table], pa.Table]
) -> dict[str, Iterable[pa.Table]]:
    """`tables` of a run and `summary`, which is made of the parts of table `name` while they are written, and so comes after it.

    Args:
        tables: parts of each table, by name.
        name: of a table that has all rows of an input in one part.
        summary: name of the table to add.
        sum_up: rows of `name` -> rows of `summary`.
    """
    made: list[pa.Table] = []

    def passing() -> Iterator[pa.Table]:
        for part in tables[name]:
            made.append(sum_up(part))
            yield part

    def joined() -> Iterator[pa.Table]:
        yield pa.concat_tables([TABLES[summary].empty_table(), *made]).unify_dictionaries()

    return {**tables, name: passing(), summary: joined()}


def by_group(table: pa.Table) -> Iterator[pa.Table]:
    """`table` a part a group, so that readers of one skip the others; groups in the order of their first rows."""
    table = table.unify_dictionaries().combine_chunks()
    column = table["group"].combine_chunks()
    codes, names = column.indices.to_numpy(), column.dictionary
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    for start, end in zip(starts, [*starts[1:], len(order)], strict=True):
        part = table.take(pa.array(order[start:end]))
        # Its own name alone: a part that lists all names would be written with all of them.
        own = pa.DictionaryArray.from_arrays(np.zeros(end - start, np.int32), names.slice(codes[order[start]], 1))
        yield part.set_column(part.schema.get_field_index("group"), part.schema.field("group"), own)


def named_anew(table: pa.Table) -> pa.Table:
    """`table` with the names of each column in the order of their first rows, and no others: bytes that only the rows decide."""
    for place, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            names = table[field.name].cast(field.type.value_type).combine_chunks()
            table = table.set_column(place, field, names.dictionary_encode().cast(field.type))
    return table


def added_up(name: str, parts: Sequence[pa.Table]) -> pa.Table:
    """Joins tables of shards whose columns are keys and sums: sums are added, the smallest cosine is kept."""
    schema = TABLES[name]
    if len(parts) == 1:
        return parts[0]
    keys = [f.name for f in schema if pa.types.is_dictionary(f.type)] + [n for n in _KEYS if n in schema.names]
    sums = [f.name for f in schema if f.name not in keys]
    how = [(column, "min" if column == "cosine_min" else "sum") for column in sums]
    table = pa.concat_tables(parts).unify_dictionaries()
    joined = table.group_by(keys, use_threads=False).aggregate(how)
    joined = joined.select([*keys, *(f"{column}_{function}" for column, function in how)]).rename_columns([*keys, *sums])
    return joined.select(schema.names).cast(schema)
