"""Every table of a run folder: its columns, types and units. The contract between the engine and the dashboard.

An absent modality has no row. A measure that does not apply is null; it is never zero and never NaN.
Sums are stored, not ratios, so that tables of two halves add up and decibels are never averaged.
"""

import pyarrow as pa

from morphoquant.store.columns import KEY as _KEY
from morphoquant.store.columns import column as _column
from morphoquant.store.inside_schema import INSIDE
from morphoquant.store.settling_schema import EXTREMES, SETTLING
from morphoquant.store.summary_schema import INPUT_HISTOGRAMS, INPUT_MEASURES, INPUT_USE

SCHEMA_VERSION = 1

_GROUP = _column("group", _KEY, "name", "first linear that received this input; its followers share the row")
_LAYER = _column("layer", _KEY, "name", "full module path of the linear")
_MODALITY = _column("modality", _KEY, "name", "text, image, audio, video, special or unknown")
_POSITION = _column("position", _KEY, "name", "first or rest of the sequence")
_CHANNEL = _column("channel", pa.int32(), "index", "input channel")
_COUNT = _column("count", pa.int64(), "tokens", "rows seen, finite or not, padding excluded")

LAYERS = pa.schema(
    [
        _LAYER,
        _GROUP,
        _column("component", _KEY, "name", "language, vision, audio, connector or head"),
        _column("block", pa.int32(), "index", "decoder or encoder block", null=True),
        _column("role", _KEY, "name", "last part of the module path"),
        _column("in_features", pa.int32(), "channels", "K, width of the input"),
        _column("out_features", pa.int32(), "channels", "N, width of the output"),
    ]
)

TOKENS = pa.schema(
    [
        _column("sample", pa.int32(), "index", "sample of the data set"),
        _MODALITY,
        _POSITION,
        _COUNT,
    ]
)

CHANNEL_STATS = pa.schema(
    [
        _GROUP,
        _MODALITY,
        _POSITION,
        _CHANNEL,
        _COUNT,
        _column("nan_count", pa.int64(), "values", "NaN values, excluded from every other column but count"),
        _column("inf_count", pa.int64(), "values", "infinite values, likewise excluded"),
        _column("min", pa.float32(), "activation", "exact smallest finite value", null=True),
        _column("max", pa.float32(), "activation", "exact largest finite value", null=True),
        _column("mean", pa.float64(), "activation", "arithmetic mean of the finite values", null=True),
        _column("m2", pa.float64(), "activation^2", "sum of squared deviations from the mean", null=True),
        _column("m3", pa.float64(), "activation^3", "sum of cubed deviations from the mean", null=True),
        _column("m4", pa.float64(), "activation^4", "sum of fourth powers of deviations from the mean", null=True),
        _column("sum_abs", pa.float64(), "activation", "sum of absolute values", null=True),
    ]
)

HISTOGRAMS = pa.schema(
    [
        _GROUP,
        _MODALITY,
        _POSITION,
        _CHANNEL,
        _column("bins", pa.list_(pa.uint16()), "index", "bins that hold a value, ascending; edges in stats/bins.py"),
        _column("counts", pa.list_(pa.uint32()), "values", "values in each of `bins`"),
        _column(
            "largest", pa.list_(pa.float32()), "activation", "exact values of largest magnitude, descending; also in the bins"
        ),
    ]
)

FINE_HISTOGRAMS = pa.schema(
    [
        _GROUP,
        _MODALITY,
        _POSITION,
        _column("channel", pa.int32(), "index", "one of the channels that were widest in the first rows"),
        _column("bins", pa.list_(pa.uint16()), "index", "fine bins that hold a value, ascending; edges in stats/fine.py"),
        _column("counts", pa.list_(pa.uint32()), "values", "values in each of `bins`, also counted in the histogram"),
    ]
)

TOKEN_SAMPLE = pa.schema(
    [
        _GROUP,
        _MODALITY,
        _POSITION,
        _column("priority", pa.uint64(), "hash", "seeded hash of the token; the reservoir keeps the smallest"),
        _column("values", pa.list_(pa.float32()), "activation", "the row, all channels"),
    ]
)

SEQUENCES = pa.schema(
    [
        _column("sample", pa.int32(), "index", "batch of the data set; batches of a capture hold one sample"),
        _column("name", pa.string(), "name", "argument of the model"),
        _column("type", pa.string(), "name", "element type of the tensor, such as int64"),
        _column("shape", pa.list_(pa.int32()), "elements", "lengths of its axes"),
        _column("bytes", pa.binary(), "byte", "its values, in order"),
    ]
)

GRIDS = pa.schema(
    [
        _GROUP,
        _CHANNEL,
        _column("score", pa.float64(), "activation", "dispersion score D_c", null=True),
        _column("masked", pa.bool_(), "flag", "outlier channel whose large values bypass the grid"),
        _column("base_low", pa.float64(), "activation", "lower edge before the search"),
        _column("base_high", pa.float64(), "activation", "upper edge before the search"),
        _column("low", pa.float64(), "activation", "lower edge of the grid in use"),
        _column("high", pa.float64(), "activation", "upper edge of the grid in use"),
        _column("step", pa.float64(), "activation", "distance of two levels"),
        _column("zero_point", pa.float64(), "code", "code of the value zero"),
        _column("code_low", pa.int32(), "code", "smallest code"),
        _column("code_high", pa.int32(), "code", "largest code"),
        _column("bypass_limit", pa.float64(), "activation", "magnitude above which a masked channel bypasses", null=True),
    ]
)

GRID_USE = pa.schema(
    [
        _GROUP,
        _MODALITY,
        _POSITION,
        _CHANNEL,
        _COUNT,
        _column("clipped", pa.int64(), "values", "values beyond the grid by more than half a step, not bypassed"),
        _column("bypassed", pa.int64(), "values", "values kept in full precision"),
        _column("signal_sq", pa.float64(), "activation^2", "sum of squares of the input"),
        _column("clip_sq", pa.float64(), "activation^2", "squared error of the clipped values"),
        _column("round_sq", pa.float64(), "activation^2", "squared error of all other values"),
    ]
)

# In shards only, so that a run within a bound of memory goes on with the groups that are not fitted yet.
FITS = pa.schema(
    [
        _GROUP,
        _column("channels", pa.int32(), "channels", "width of the input"),
        _column("macs", pa.float64(), "1/token", "multiply-accumulates of the quantised product"),
        _column("extra_macs", pa.float64(), "1/token", "those beside it in higher precision"),
        _column("extra_bytes", pa.float64(), "byte", "what must be stored beyond the weights"),
        _column("deployable", pa.bool_(), "flag", "the product can be one of the spec's format"),
        _column("bypass_density", pa.float64(), "1", "share of the token sample kept in full precision", null=True),
        _column("seconds", pa.float64(), "s", "time that the search took"),
    ]
)

ERRORS = pa.schema(
    [
        _LAYER,
        _MODALITY,
        _POSITION,
        _column("tap", _KEY, "name", "input (under the group's first linear) or output of the linear"),
        _column("source", _KEY, "name", "what was quantised: weight, activation or both"),
        _column("tokens", pa.int64(), "tokens", "rows measured"),
        _column("width", pa.int32(), "channels", "values in a row"),
        _column("signal_sq", pa.float64(), "activation^2", "sum of squares of the full-precision values"),
        _column("error_sq", pa.float64(), "activation^2", "sum of squares of the error"),
        _column("cosine_sum", pa.float64(), "1", "sum over tokens of the cosine to full precision"),
        _column("cosine_min", pa.float64(), "1", "smallest cosine of a token"),
        _column("clip_sq", pa.float64(), "activation^2", "part of error_sq from clipped values; input only", null=True),
        _column("round_sq", pa.float64(), "activation^2", "part of error_sq from rounding; input only", null=True),
        _column(
            "outlier_signal_sq", pa.float64(), "activation^2", "part of signal_sq in outlier channels; input only", null=True
        ),
        _column("outlier_error_sq", pa.float64(), "activation^2", "part of error_sq in outlier channels; input only", null=True),
        _column("bypassed", pa.int64(), "values", "values kept in full precision; input only", null=True),
    ]
)

_TASK = _column("task", _KEY, "name", "task the item belongs to")
_SUBJECT = _column("subject", _KEY, "name", "text, image, audio, video or cross-modal: the media the item shows")

ANSWERS = pa.schema(
    [
        _column("item", pa.string(), "name", "item of the data set"),
        _TASK,
        _SUBJECT,
        _column("control", pa.bool_(), "flag", "asked with the media of another item of its task"),
        _column("choices", pa.list_(pa.string()), "text", "closed set of answers"),
        _column("answer", pa.int32(), "index", "right one of `choices`"),
        _column("log_likelihoods", pa.list_(pa.float32()), "nat", "of each choice after the prompt, summed over its tokens"),
    ]
)

PERPLEXITY = pa.schema(
    [
        _column("passage", pa.string(), "name", "held-out passage"),
        _column("tokens", pa.int32(), "tokens", "tokens predicted: all but the first"),
        _column("nll", pa.float64(), "nat", "negative log-likelihood, summed over those tokens"),
    ]
)

SENSITIVITY = pa.schema(
    [
        _column("group", _KEY, "name", "first linear of the group quantised alone; null: all groups at once", null=True),
        _column("component", _KEY, "name", "language, vision, audio, connector or head", null=True),
        _column("block", pa.int32(), "index", "decoder or encoder block", null=True),
        _column("role", _KEY, "name", "last part of the module path", null=True),
        _SUBJECT,
        _column("items", pa.int32(), "items", "items asked"),
        _column("kl", pa.float64(), "nat", "divergence of the choices from full precision, summed over the items"),
        _column("agree", pa.int32(), "items", "same choice as in full precision"),
        _column("right", pa.int32(), "items", "right choice when quantised"),
        _column("full_right", pa.int32(), "items", "right choice in full precision"),
    ]
)

GRADIENTS = pa.schema(
    [
        _column("layer", _KEY, "name", "full module path of the linear whose output it is"),
        _column("modality", _KEY, "name", "image, audio or video; null: rows that predict a token of the answer", null=True),
        _column("gradient", pa.float64(), "nat/activation", "magnitude for the answers' loss, mean over rows, then samples"),
    ]
)

REFUSED = pa.schema(
    [
        _column("item", pa.string(), "name", "item left out"),
        _column("reason", pa.string(), "sentence", "why"),
    ]
)

TABLES: dict[str, pa.Schema] = {
    "layers": LAYERS,
    "tokens": TOKENS,
    "channel_stats": CHANNEL_STATS,
    "input_measures": INPUT_MEASURES,
    "histograms": HISTOGRAMS,
    "input_histograms": INPUT_HISTOGRAMS,
    "fine_histograms": FINE_HISTOGRAMS,
    "token_sample": TOKEN_SAMPLE,
    "shown_tokens": TOKEN_SAMPLE,  # fewer and rounded, in a shipped copy: to look at, for no method to be fitted to
    "settling": SETTLING,
    "extremes": EXTREMES,
    "sequences": SEQUENCES,
    "grids": GRIDS,
    "fits": FITS,
    "grid_use": GRID_USE,
    "input_use": INPUT_USE,
    "errors": ERRORS,
    "answers": ANSWERS,
    "perplexity": PERPLEXITY,
    "sensitivity": SENSITIVITY,
    "gradients": GRADIENTS,
    **INSIDE,
    "refused": REFUSED,
}
