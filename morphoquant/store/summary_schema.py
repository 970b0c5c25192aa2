"""Tables that sum up a table of channels, a row an input: what a page on all layers asks, so that it reads no row a channel.

They follow from the larger table and are written beside it; a run without them is read as before, only slower.
"""

import pyarrow as pa

from morphoquant.store.columns import KEY, column

BOTH = "both"

_KEYS = [
    column("group", KEY, "name", "first linear that received this input"),
    column("modality", KEY, "name", "text, image, audio, video, special or unknown"),
]

INPUT_MEASURES = pa.schema(
    [
        *_KEYS,
        column("position", KEY, "name", "first or rest of the sequence; both: pooled, where a modality has both"),
        column("tokens", pa.int64(), "tokens", "rows seen"),
        column("finite", pa.int64(), "values", "finite values of the channel that has most of them"),
        column("not_finite", pa.int64(), "values", "NaN and infinite values, excluded from all that follows"),
        column("width", pa.int32(), "channels", "channels with a finite value"),
        column("constant", pa.int32(), "channels", "those of them that hold one value alone, more than once"),
        column("absmax", pa.float32(), "activation", "largest magnitude", null=True),
        column("channel", pa.int32(), "index", "where it stands", null=True),
        column("median_absmax", pa.float32(), "activation", "median of the channels' largest magnitudes", null=True),
        column("kurtosis", pa.float64(), "1", "of all values; 3 for a normal distribution", null=True),
        column("dispersion_max", pa.float64(), "activation", "largest dispersion score D_c of a channel", null=True),
        column("dispersion_mean", pa.float64(), "activation", "mean of the channels' scores", null=True),
        column("mask_limit", pa.float64(), "activation", "score from which on a channel is an outlier", null=True),
        column("masked", pa.list_(pa.int32()), "index", "outlier channels, ascending"),
    ]
)

INPUT_HISTOGRAMS = pa.schema(
    [
        *_KEYS,
        column("position", KEY, "name", "first or rest of the sequence"),
        column("bins", pa.list_(pa.uint16()), "index", "bins that hold a value, ascending; edges in stats/bins.py"),
        column("counts", pa.list_(pa.int64()), "values", "values in each of `bins`, of all channels"),
    ]
)

INPUT_USE = pa.schema(
    [
        *_KEYS,
        column("position", KEY, "name", "first or rest of the sequence"),
        column("count", pa.int64(), "values", "values of all channels"),
        column("clipped", pa.int64(), "values", "those beyond the grid by more than half a step, not bypassed"),
        column("bypassed", pa.int64(), "values", "those kept in full precision"),
        column("signal_sq", pa.float64(), "activation^2", "sum of squares of the input"),
        column("clip_sq", pa.float64(), "activation^2", "squared error of the clipped values"),
        column("round_sq", pa.float64(), "activation^2", "squared error of all other values"),
        column("width", pa.int32(), "channels", "channels with a value"),
        column("half", pa.int32(), "channels", "the fewest channels whose squared error is half of all"),
        column("channel", pa.int32(), "index", "channel with most squared error", null=True),
        column("channel_clip_sq", pa.float64(), "activation^2", "its squared error of clipped values", null=True),
        column("channel_round_sq", pa.float64(), "activation^2", "its squared error of all other values", null=True),
    ]
)
