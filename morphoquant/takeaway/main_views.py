"""The figures and tables that tell most of a run: what a report shows, and a bundle when none is named."""

from morphoquant.core.errors import CompareError

_CAPTURE = ("tokens_by_modality", "worst_layers", "depth_profile", "channel_ranges", "activation_histogram", "mask_overlap")
_QUANTIZE = ("compare_methods", "layer_error", "error_sources", "error_split", "grid_placement", "grid_use")
# Views with too many marks for a single column.
WIDE = frozenset(
    {"compare_methods", "layer_error", "depth_profile", "mask_overlap", "accuracy", "sensitivity_depth"}
    | {"model_outliers", "model_error", "model_sensitivity", "range_ridges"}
    | {"error_propagation", "attention_pair", "attention_boundary", "hidden_states"}
)
VIEWS_OF: dict[str, tuple[str, ...]] = {
    "capture": _CAPTURE,
    "quantize": (*_QUANTIZE, *_CAPTURE),
    "evaluate": ("accuracy", "paired_test", "perplexity"),
    "sensitivity": ("sensitivity_ranking", "sensitivity_depth", "sensitivity_sum"),
    "inspect": ("error_propagation", "attention_pair", "attention_boundary", "hidden_states"),
}
TABLES_OF: dict[str, tuple[str, ...]] = {
    "capture": ("worst_layers", "tokens"),
    "quantize": ("methods", "cost", "worst_layers", "tokens"),
    "evaluate": ("accuracy",),
    "sensitivity": ("sensitivity",),
    "inspect": ("propagation",),
}


def main_views(kind: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the views and of the tables of a run of `kind`.

    Raises:
        CompareError: runs of that kind have nothing to show.
    """
    if kind not in VIEWS_OF:
        raise CompareError(f"a {kind} run has no figures: choose one of these kinds: {', '.join(VIEWS_OF)}.")
    return VIEWS_OF[kind], TABLES_OF[kind]


def needed(view) -> str:
    """The column of a paper that a view or a table needs, "single" or "double"."""
    wide = view.name in WIDE or getattr(view, "least", 1) > 1
    return "double" if wide else getattr(view, "width", "single")
