"""Which page shows a view: for links to a figure."""

from morphoquant.core.modality import Position
from morphoquant.core.selection import Selection
from morphoquant.store.run_store import RunStore
from morphoquant.ui.address import Address

_SHOWS = {
    "overview": ("worst_layers", "tokens_by_modality"),
    "distribution": ("activation_histogram", "channel_ranges", "depth_profile"),
    "tokens": ("token_surface", "token_map"),
    "masks": ("outlier_mask", "mask_sets", "mask_overlap", "channel_map", "lasting_channels"),
    "grid": ("grid_placement", "alpha_search", "codes_used", "grid_use"),
    "layer_error": ("layer_error", "error_split", "error_sources"),
    "compare": ("compare_methods", "compare_depth"),
}
PAGE_OF = {view: f"pages/{page}.py" for page, views in _SHOWS.items() for view in views}


def address_of(store: RunStore, view: str, runs: tuple[str, ...], selection: Selection) -> Address:
    """The address at which the page of `view` shows it for these runs and filters.

    Raises:
        UnknownNameError: a run that is not in the cache.
    """
    plans = {run_id: store.open(run_id).plan for run_id in runs}
    quantised = tuple(run_id for run_id, plan in plans.items() if plan.kind == "quantize")
    captures = [run_id if plan.kind == "capture" else plan.capture for run_id, plan in plans.items()]
    address = Address(
        capture=captures[0] if captures else None,
        run=quantised[0] if len(quantised) == 1 else None,
        runs=quantised if len(quantised) > 1 else (),
        layer=selection.layer,
        component=selection.component,
        role=selection.role,
        modalities=selection.modalities,
        first=Position.FIRST in selection.positions,
        channel=selection.channel,
    )
    return address.with_measure(view, selection.measure)
