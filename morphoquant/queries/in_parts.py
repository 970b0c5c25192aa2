"""A table of channels read some inputs at a time: all of a large model's rows would take a gigabyte."""

from collections.abc import Iterator, Sequence

import pyarrow as pa

from morphoquant.store.run import Run

_CHANNELS = 400_000  # of inputs at once: a row for each of them, modality and position class is held


def in_parts(run: Run, name: str, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Table `name` of `run`, which has a column group: all rows of an input come in one part.

    Raises:
        StoreError: a table cannot be read.
    """
    layers = run.frame("layers", ["layer", "group", "in_features"])
    layers = layers[layers["layer"] == layers["group"]]
    place = (layers["in_features"].cumsum() - 1) // _CHANNELS
    if not place.any():
        yield run.table(name, columns)
        return
    for _, names in layers["group"].groupby(place):
        yield run.table(name, columns, {"group": list(names)})
