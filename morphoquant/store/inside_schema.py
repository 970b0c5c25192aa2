"""Tables of an inspect run: hidden states and attention inside the model, full precision and quantised."""

import pyarrow as pa

from morphoquant.store.columns import KEY, column

_MODULE = column("module", KEY, "name", "block or connector whose output it is")
_BLOCK = column("block", pa.int32(), "index", "decoder or encoder block", null=True)
_SAMPLE = column("sample", pa.int32(), "index", "sample of the data set")
_MODALITY = column("modality", KEY, "name", "text, image, audio, video, special or unknown")
_TOKEN = column("token", pa.int32(), "index", "position in the sequence")
_LIST = pa.list_(pa.float32())

PROPAGATION = pa.schema(
    [
        _MODULE,
        column("component", KEY, "name", "language, vision, audio or connector"),
        _BLOCK,
        _MODALITY,
        column("position", KEY, "name", "first or rest of the sequence"),
        column("source", KEY, "name", "alone: its input in full precision; accumulated: as the quantised parts before leave it"),
        column("tokens", pa.int64(), "tokens", "rows measured"),
        column("width", pa.int32(), "channels", "values in a row"),
        column("signal_sq", pa.float64(), "activation^2", "sum of squares of the full-precision hidden states"),
        column("error_sq", pa.float64(), "activation^2", "sum of squares of the error"),
        column("cosine_sum", pa.float64(), "1", "sum over tokens of the cosine to full precision"),
        column("cosine_min", pa.float64(), "1", "smallest cosine of a token"),
    ]
)

ATTENTION = pa.schema(
    [
        _SAMPLE,
        _MODULE,
        _BLOCK,
        column("head", pa.int32(), "index", "attention head; null: mean over the heads", null=True),
        column("moved", pa.float64(), "1", "share of the attention that moves, mean over the positions but the first"),
        column("positions", pa.int32(), "tokens", "length of the sequence, padding excluded"),
        column("cells", pa.list_(pa.int32()), "index", "first position of each cell; no cell holds two modalities"),
        column("modalities", pa.list_(pa.string()), "name", "modality of each cell"),
        column("full", _LIST, "1", "largest weight of each cell, queries down, full precision; 9 significant bits"),
        column("quantised", _LIST, "1", "the same, quantised"),
        column("change", _LIST, "1", "difference of largest magnitude in each cell, quantised - full"),
    ]
)

ATTENTION_DISTANCE = pa.schema(
    [
        _MODULE,
        _BLOCK,
        column("modality", KEY, "name", "of the position that attends"),
        column("distance", pa.int32(), "tokens", "to the nearest token of another modality, rounded down to a power of two"),
        column("rows", pa.int64(), "rows", "positions times heads"),
        column("moved", pa.float64(), "1", "share of the attention that moves, summed over the rows"),
        column("other_full", pa.float64(), "1", "attention to tokens of another modality but the first, summed, full precision"),
        column("other_quantised", pa.float64(), "1", "the same, quantised"),
    ]
)

HIDDEN_ROWS = pa.schema(
    [
        _MODULE,
        _BLOCK,
        _SAMPLE,
        _TOKEN,
        _MODALITY,
        column("full", _LIST, "activation", "hidden state in full precision; in shards only"),
        column("quantised", _LIST, "activation", "hidden state with everything quantised; in shards only"),
    ]
)

HIDDEN_STATES = pa.schema(
    [
        _MODULE,
        _BLOCK,
        _SAMPLE,
        _TOKEN,
        _MODALITY,
        column("full", _LIST, "activation", "hidden state along the axes, full precision"),
        column("quantised", _LIST, "activation", "the same, quantised"),
    ]
)

HIDDEN_AXES = pa.schema(
    [
        _MODULE,
        _BLOCK,
        column("axis", pa.int32(), "index", "principal axis of the full-precision hidden states, from 0"),
        column("share", pa.float64(), "1", "of their variance that lies along it"),
        column("quantised_share", pa.float64(), "1", "of the quantised ones' variance that lies along it", null=True),
        column("error_share", pa.float64(), "1", "of the error's sum of squares that lies along it", null=True),
    ]
)

INSIDE: dict[str, pa.Schema] = {
    "propagation": PROPAGATION,
    "attention": ATTENTION,
    "attention_distance": ATTENTION_DISTANCE,
    "hidden_rows": HIDDEN_ROWS,
    "hidden_states": HIDDEN_STATES,
    "hidden_axes": HIDDEN_AXES,
}
