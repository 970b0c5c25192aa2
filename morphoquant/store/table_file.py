"""Writing one table of a run folder."""

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.parquet as pq

from morphoquant.core.errors import StoreError
from morphoquant.store.atomic import replacing
from morphoquant.store.place import Place
from morphoquant.store.run import footer_checksum
from morphoquant.store.schema import TABLES

# Of tables that hold a list for each channel, so many at once: who looks at one channel reads few of the others' lists.
LISTS = 4096


def write_table(path: Place, name: str, parts: Iterable[pa.Table]) -> tuple[int, str]:
    """Streams `parts` into one Parquet file, each in row groups of its own, so that readers of one layer skip the others.

    Returns:
        Its rows, and the checksum of its footer.

    Raises:
        StoreError: the file cannot be written whole.
    """
    schema = TABLES[name]
    keys = [field.name for field in schema if pa.types.is_dictionary(field.type)]
    of_channels = "channel" in schema.names and any(pa.types.is_list(field.type) for field in schema)
    rows = 0
    with replacing(path) as sibling:
        options = {"compression": "zstd", "compression_level": 1, "use_dictionary": keys, "write_page_checksum": True}
        with pq.ParquetWriter(sibling, schema, **options) as file:
            for part in parts:
                most = LISTS if of_channels else max(part.num_rows, 1)
                file.write_table(part.select(schema.names).cast(schema), row_group_size=most)
                rows += part.num_rows
        with pq.ParquetFile(sibling) as check:
            if check.metadata.num_rows != rows:
                raise StoreError(f"{path.name} was not written whole: check the disk and run the same command again.")
        footer = footer_checksum(sibling)
    return rows, footer
