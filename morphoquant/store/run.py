"""Reading a run folder: every table is checked against its schema before a row of it is used."""

import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any, BinaryIO

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from morphoquant.core.errors import StoreError, UnknownNameError
from morphoquant.core.plan import RunPlan
from morphoquant.store.asking import Asking
from morphoquant.store.header import RunHeader
from morphoquant.store.place import Place
from morphoquant.store.schema import TABLES

Where = Mapping[str, Any]
# A Parquet file ends with its footer, the footer's length in four bytes, and four letters.
_TAIL = 8
_AGAIN = "delete the run and run its command again"


@dataclass(frozen=True)
class Asked:
    """What is wanted of the Parquet file of table `name`; its `rows` and its `footer` are checked where they are known."""

    path: Place
    name: str
    columns: Sequence[str] | None = None
    where: Where | None = None
    rows: int | None = None
    footer: str | None = None


class Run(Asking):
    """A finished, running or failed run, for reading.

    Args:
        folder: the run folder.
        header: its header, already read.
    """

    def __init__(self, folder: Place, header: RunHeader):
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
        return read_table(self._asked(name, columns, where))

    def pieces(self, name: str, columns: Sequence[str] | None = None, where: Where | None = None) -> Iterator[pa.Table]:
        """The rows of `table` some at a time, for sums over lists: what is worked on stays in the processor's cache.

        Raises:
            StoreError: as `table`.
        """
        return read_pieces(self._asked(name, columns, where))

    def _asked(self, name: str, columns: Sequence[str] | None, where: Where | None) -> Asked:
        if name not in TABLES:
            raise UnknownNameError("table", name, TABLES)
        if self.header.status != "finished":
            raise StoreError(f"run {self.run_id!r} is {self.header.status}, it has no tables yet: wait for it or start it again.")
        if not self.has(name):
            raise StoreError(f"run {self.run_id!r} has no table {name!r}: it holds {', '.join(sorted(self.header.tables))}.")
        file = f"{name}.parquet"
        return Asked(self.folder / file, name, columns, where, self.header.tables[name], self.header.footers.get(file))

    def frame(self, name: str, columns: Sequence[str] | None = None, where: Where | None = None) -> pd.DataFrame:
        """`table` as pandas, names as plain strings."""
        table = self.table(name, columns, where)
        plain = [field.with_type(_plain(field.type)) for field in table.schema]
        return table.cast(pa.schema(plain)).to_pandas()


def read_table(asked: Asked) -> pa.Table:
    """Reads what is asked of one Parquet file.

    Raises:
        StoreError: the file is missing, truncated, of another schema, or has another number of rows or
            another footer than is known.
    """
    with _matching(asked) as (groups, read):
        return read(groups)


def read_pieces(asked: Asked) -> Iterator[pa.Table]:
    """The rows of `read_table`, a row group at a time; all at once from an object store, which is asked as seldom as can be.

    Raises:
        StoreError: as `read_table`.
    """
    with _matching(asked) as (groups, read):
        step = 1 if isinstance(asked.path, Path) else max(len(groups), 1)
        for start in range(0, len(groups), step):
            yield read(groups[start : start + step])


def check_table(path: Place, name: str, footer: str | None) -> None:
    """Reads all of one Parquet file, a row group at a time, and keeps none of it.

    Raises:
        StoreError: as `read_table`.
    """
    deque(read_parts(path, name, footer), maxlen=0)


def read_parts(path: Place, name: str, footer: str | None) -> Iterator[pa.Table]:
    """The parts that one Parquet file was written from, one after the other.

    Raises:
        StoreError: as `read_table`.
    """
    if name not in TABLES:
        raise StoreError(f"{path.parent.name}/{path.name} is no table of this release: {_AGAIN}.")
    with _opened(path, name, footer) as file:
        for group in range(file.metadata.num_row_groups):
            part = file.read_row_group(group)
            part.validate(full=True)
            yield part


@contextmanager
def _matching(asked: Asked) -> Iterator[tuple[list[int], Callable[[list[int]], pa.Table]]]:
    """The row groups that may hold a row which is asked for, and what reads those rows of some of them."""
    wanted = {column: _listed(value) for column, value in (asked.where or {}).items()}
    with _opened(asked.path, asked.name, asked.footer) as file:
        found = file.metadata.num_rows
        if asked.rows not in (None, found):
            raise StoreError(
                f"{asked.path.parent.name}/{asked.path.name} holds {found} rows, its header says {asked.rows}: {_AGAIN}."
            )
        chosen = list(asked.columns) if asked.columns else TABLES[asked.name].names

        def read(groups: list[int]) -> pa.Table:
            table = file.read_row_groups(groups, columns=[*dict.fromkeys([*chosen, *wanted])])
            table.validate(full=True)  # heads of pages carry no checksum: an index into a dictionary that is not there
            masks = [_is_in(table[column], values) for column, values in wanted.items()]
            masks = [mask for mask in masks if not pc.all(mask, skip_nulls=False).as_py()]
            return (_kept(table, masks) if masks else table).select(chosen)

        # Bounds that no checksum vouches for rule nothing out; where they are damaged, pyarrow ends the process over them.
        yield _row_groups(file, wanted if asked.footer is not None else {}), read


@contextmanager
def _opened(path: Place, name: str, footer: str | None) -> Iterator[pq.ParquetFile]:
    """The pages of values carry checksums; the footer, whose bounds decide which rows are looked at, has its in the header."""
    local = isinstance(path, Path)
    try:
        source = path if local else path.open()
        # What lies near each other is asked of an object store together.
        with pq.ParquetFile(source, page_checksum_verification=True, pre_buffer=not local) as file:
            if [(f.name, f.type) for f in file.schema_arrow] != [(f.name, f.type) for f in TABLES[name]]:
                raise StoreError(f"{path.parent.name}/{path.name} is not a {name!r} table of this release: {_AGAIN}.")
            if footer is not None and (footer_checksum(path) if local else _checksum(source)) != footer:
                raise StoreError(f"{path.parent.name}/{path.name} is damaged (its footer is another): {_AGAIN}.")
            yield file
    except FileNotFoundError:
        raise StoreError(f"{path.parent.name}/{path.name} is missing: {_AGAIN}.") from None
    except (pa.ArrowException, OSError, ValueError, LookupError, OverflowError) as error:
        reason = (str(error).splitlines() or ["unreadable"])[0].rstrip(".")
        raise StoreError(f"{path.parent.name}/{path.name} is damaged ({reason}): {_AGAIN}.") from error


def footer_checksum(path: Place) -> str:
    """CRC-32 of a Parquet file's last bytes from its footer on, in hex; of all of it where no footer can be found.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return _checksum(file)


def _checksum(file: BinaryIO) -> str:
    size = file.seek(0, 2)
    file.seek(max(size - _TAIL, 0))
    length = int.from_bytes(file.read(_TAIL)[:4], "little") + _TAIL
    file.seek(size - length if length <= size else 0)
    return f"{zlib.crc32(file.read()):08x}"


def _row_groups(file: pq.ParquetFile, wanted: Mapping[str, list]) -> list[int]:
    """Row groups that may hold a wanted row, by their statistics; pyarrow's own filters do not skip on dictionary columns."""
    # The first column sorts the rows: it alone rules most row groups out.
    places = sorted((file.schema_arrow.get_field_index(column), values) for column, values in wanted.items())
    groups = map(file.metadata.row_group, range(file.metadata.num_row_groups))
    return [
        index
        for index, group in enumerate(groups)
        if all(_may_hold(group.column(place).statistics, values) for place, values in places)
    ]


def _may_hold(bounds: pq.Statistics | None, values: list) -> bool:
    if bounds is None or not bounds.has_min_max:
        return True
    low, high = bounds.min, bounds.max
    return any(low <= value <= high for value in values)


def _kept(table: pa.Table, masks: list[pa.ChunkedArray]) -> pa.Table:
    """The rows of which all of `masks` hold; not copied where they are most, and stand next to each other."""
    mask = pc.fill_null(reduce(pc.and_, masks), False)
    first, rows = pc.index(mask, True).as_py(), pc.sum(mask).as_py() or 0
    together = 2 * rows >= table.num_rows > 0 and pc.all(mask.slice(first, rows)).as_py()
    return table.slice(first, rows) if together else table.filter(mask)


def _is_in(column: pa.ChunkedArray, values: list) -> pa.ChunkedArray:
    """Which rows hold one of `values`; of names, each name is looked at once and not each row."""
    if not pa.types.is_dictionary(column.type):
        return pc.is_in(column, pa.array(values))
    wanted = pa.array(values, column.type.value_type)
    found = [pc.is_in(chunk.dictionary, wanted).take(chunk.indices) for chunk in column.chunks]
    return pa.chunked_array(found, pa.bool_())


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _listed(value: Any) -> list:
    return list(value) if isinstance(value, (list, tuple, set, frozenset)) else [value]
