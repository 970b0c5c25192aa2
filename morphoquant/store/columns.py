"""A column of a table: its type, its unit and what it means."""

import pyarrow as pa

KEY = pa.dictionary(pa.int32(), pa.string())


def column(name: str, kind: pa.DataType, unit: str, meaning: str, null: bool = False) -> pa.Field:
    """The column `name` of type `kind`; unit and meaning go into the file."""
    return pa.field(name, kind, nullable=null, metadata={"unit": unit, "meaning": meaning})
