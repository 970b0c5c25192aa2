"""Tables on how ranges settle while a capture sees its samples."""

import pyarrow as pa

from morphoquant.store.columns import KEY, column

_KEYS = [
    column("group", KEY, "name", "first linear that received this input"),
    column("modality", KEY, "name", "text, image, audio, video, special or unknown"),
    column("position", KEY, "name", "first or rest of the sequence"),
]

SETTLING = pa.schema(
    [
        *_KEYS,
        column("samples", pa.int32(), "samples", "batches, of one sample each, seen so far: all, half of them, a quarter ..."),
        column("tokens", pa.int64(), "tokens", "rows seen so far"),
        column("channels", pa.int32(), "channels", "channels whose final range is above zero"),
        column("reached", pa.float64(), "1", "sum over them of largest magnitude so far over the final one"),
        column("lagging", pa.int32(), "channels", "those below nine tenths of their final range"),
        column("absmax", pa.float32(), "activation", "largest magnitude so far"),
    ]
)

# In shards only, so that an interrupted capture goes on.
EXTREMES = pa.schema(
    [
        *_KEYS,
        column("batch", pa.int32(), "batches", "batches of the data seen so far"),
        column("tokens", pa.int64(), "tokens", "rows seen since the beginning of the shard"),
        column("absmax", pa.list_(pa.float32()), "activation", "largest magnitude of each channel since then"),
    ]
)
