"""Reading a run folder: every table is checked against its schema before a row of it is used."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from morphoquant.core.errors import StoreError, UnknownNameError
from morphoquant.core.plan import RunPlan
from morphoquant.store.asking import Asking
from morphoquant.store.header import RunHeader
from morphoquant.store.schema import TABLES

Where = Mapping[str, Any]


class Run(Asking):
    """A finished, running or failed run, for reading.

    Args:
        folder: the run folder.
        header: its header, already read.
    """

    def __init__(self, folder: Path, header: RunHeader):
        self.folder = folder
        self.header = header

    @property
    def run_id(self) -> str:
        """Name of the folder."""
        return self.header.run_id

    @property
    def plan(self) -> RunPlan:
        """The plan in the header."""
        return self.header.plan

    def has(self, table: str) -> bool:
        """Whether the run holds `table` (a dynamic quantiser has no grids, say)."""
        return table in self.header.tables

    def table(self, name: str, columns: Sequence[str] | None = None, where: Where | None = None) -> pa.Table:
        """Reads a table.

        Args:
            name: one of `store.schema.TABLES`.
            columns: those wanted, absent for all.
            where: {column: value or list of values} that rows must match; whole row groups are skipped.

        Raises:
            StoreError: the run is not finished, has no such table, or its file is damaged or foreign.
        """
        if name not in TABLES:
            raise UnknownNameError("table", name, TABLES)
        if self.header.status != "finished":
            raise StoreError(f"run {self.run_id!r} is {self.header.status}, it has no tables yet: wait for it or start it again.")
        if not self.has(name):
            raise StoreError(f"run {self.run_id!r} has no table {name!r}: it holds {', '.join(sorted(self.header.tables))}.")
        return read_table(self.folder / f"{name}.parquet", name, columns, where, rows=self.header.tables[name])

    def frame(self, name: str, columns: Sequence[str] | None = None, where: Where | None = None) -> pd.DataFrame:
        """`table` as pandas, names as plain strings."""
        table = self.table(name, columns, where)
        plain = [field.with_type(_plain(field.type)) for field in table.schema]
        return table.cast(pa.schema(plain)).to_pandas()


def read_table(path: Path, name: str, columns: Sequence[str] | None, where: Where | None, rows: int | None) -> pa.Table:
    """Reads one Parquet file as table `name` of the schema.

    Raises:
        StoreError: the file is missing, truncated, of another schema, or has another number of rows than `rows`.
    """
    again = "delete the run and run its command again"
    schema = TABLES[name]
    wanted = {column: _listed(value) for column, value in (where or {}).items()}
    try:
        with pq.ParquetFile(path) as file:
            found, found_rows = file.schema_arrow, file.metadata.num_rows
            if [(f.name, f.type) for f in found] != [(f.name, f.type) for f in schema]:
                raise StoreError(f"{path.parent.name}/{path.name} is not a {name!r} table of this release: {again}.")
            if rows is not None and found_rows != rows:
                raise StoreError(f"{path.parent.name}/{path.name} holds {found_rows} rows, its header says {rows}: {again}.")
            chosen = list(columns) if columns else schema.names
            table = file.read_row_groups(_row_groups(file, wanted), columns=[*dict.fromkeys([*chosen, *wanted])])
        for column, values in wanted.items():
            table = table.filter(pc.is_in(table[column].cast(_plain(schema.field(column).type)), pa.array(values)))
        return table.select(chosen)
    except FileNotFoundError:
        raise StoreError(f"{path.parent.name}/{path.name} is missing: {again}.") from None
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise StoreError(f"{path.parent.name}/{path.name} is damaged ({reason}): {again}.") from error


def _row_groups(file: pq.ParquetFile, wanted: Mapping[str, list]) -> list[int]:
    """Row groups that may hold a wanted row, by their statistics; pyarrow's own filters do not skip on dictionary columns."""
    places = {column: file.schema_arrow.get_field_index(column) for column in wanted}
    found = []
    for index in range(file.metadata.num_row_groups):
        group = file.metadata.row_group(index)
        bounds = {column: group.column(place).statistics for column, place in places.items()}
        if all(
            limits is None or not limits.has_min_max or any(limits.min <= value <= limits.max for value in wanted[column])
            for column, limits in bounds.items()
        ):
            found.append(index)
    return found


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _listed(value: Any) -> list:
    return list(value) if isinstance(value, (list, tuple, set, frozenset)) else [value]
