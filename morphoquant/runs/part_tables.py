"""Tables that are written aside a group at a time, and read again in any order of groups."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from morphoquant.store.atomic import explained
from morphoquant.store.schema import TABLES


class PartTables:
    """Parts of tables in a folder.

    Args:
        folder: made if absent; whoever made its parent removes it.
    """

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._files = 0
        self._places: dict[tuple[str, str], list[tuple[Path, int]]] = {}

    def add(self, name: str, parts: Iterable[pa.Table]) -> None:
        """Writes parts of table `name`, each of which holds rows of one group.

        Raises:
            StoreError: the disk is full.
        """
        schema = TABLES[name]
        keys = [field.name for field in schema if pa.types.is_dictionary(field.type)]
        path = self._folder / f"{self._files}.parquet"
        self._files += 1
        options = {"compression": "zstd", "compression_level": 1, "use_dictionary": keys}
        with explained(path), pq.ParquetWriter(path, schema, **options) as file:
            for index, part in enumerate(part for part in parts if part.num_rows):
                file.write_table(part.select(schema.names).cast(schema), row_group_size=part.num_rows)
                self._places.setdefault((name, part["group"][0].as_py()), []).append((path, index))

    def tables(self, name: str, groups: Iterable[str]) -> Iterator[pa.Table]:
        """The parts of table `name`, group by group."""
        for group in groups:
            for path, index in self._places.get((name, group), ()):
                with pq.ParquetFile(path) as file:
                    yield file.read_row_group(index)
