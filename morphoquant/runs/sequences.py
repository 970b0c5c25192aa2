"""A few whole batches that a capture keeps, so that methods which learn through blocks can run the model on them again."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor

from morphoquant.runs.identity import tensor_bytes
from morphoquant.store.run import Run
from morphoquant.store.schema import TABLES

# Batches kept, spread evenly over the data set.
KEPT = 16


def spread(total: int, most: int = KEPT) -> list[int]:
    """Indices of at most `most` of `total` batches, evenly spaced."""
    return sorted({index * total // most for index in range(most)}) if total > most else list(range(total))


def sequences_table(sample: int, batch: Mapping[str, Any]) -> pa.Table:
    """The tensors of one batch as rows of the sequences table; other values are the model's defaults when it is run again."""
    rows = [
        {
            "sample": sample,
            "name": name,
            "type": str(value.dtype).removeprefix("torch."),
            "shape": list(value.shape),
            "bytes": tensor_bytes(value).tobytes(),
        }
        for name, value in batch.items()
        if isinstance(value, Tensor)
    ]
    return pa.Table.from_pylist(rows, schema=TABLES["sequences"])


def sequences(run: Run) -> dict[int, dict[str, Tensor]]:
    """The batches that a capture run keeps, by their index in its data set; none if it was taken without."""
    found: dict[int, dict[str, Tensor]] = {}
    if run.has("sequences"):
        for row in run.table("sequences").to_pylist():
            flat = (
                torch.frombuffer(bytearray(row["bytes"]), dtype=torch.uint8)
                if row["bytes"]
                else torch.empty(0, dtype=torch.uint8)
            )
            kind = getattr(torch, row["type"])
            found.setdefault(row["sample"], {})[row["name"]] = flat.view(kind).reshape(row["shape"])
    return found
