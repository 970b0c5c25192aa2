"""The distribution of the inputs of one role, block by block: how ranges move with depth."""

from dataclasses import replace

import pandas as pd

from morphoquant.core.errors import StoreError
from morphoquant.core.selection import Selection
from morphoquant.queries.depth import depth_profile
from morphoquant.queries.histograms import bin_counts_of, layers_with_histograms, magnitudes
from morphoquant.queries.layers import PLACE, group_row, groups
from morphoquant.queries.modalities import ordered
from morphoquant.queries.worst import worst_layer
from morphoquant.store.run import Run

MOST = 40
_PER_OCTAVE = 2


def range_ridges(run: Run, selection: Selection) -> pd.DataFrame:
    """Magnitude histograms of one role over the blocks, by modality.

    Args:
        run: a capture run.
        selection: component, modalities and positions; the role is its own, else that of its layer, else the one of which
            most histograms are kept; of several such, that of the input with the strongest outliers if it is one of them.

    Returns:
        layer, label, component, role, block, order, modality, low, high (edges of |activation|, two bins an octave),
        per_octave_percent (share of the modality's values over the bin's width in octaves), absmax and channel (the largest
        magnitude of the input and modality, and where it stands), kept and inputs (how many inputs of the role have a histogram,
        and how many there are). At most 40 inputs, evenly spaced over those kept. By order, modality and low.

    Raises:
        StoreError: the run keeps no histogram of such an input.
    """
    placed = _of_one_role(run, selection)
    kept = placed[placed["layer"].isin(layers_with_histograms(run))]
    if kept.empty:
        raise StoreError(
            f"run {run.run_id!r} keeps no histogram of {placed['role'].iat[0]} in {placed['component'].iat[0]}: "
            "choose a layer of another role, or capture the model anew."
        )
    shown = kept.iloc[:: -(-len(kept) // MOST)]
    own = replace(selection, layer=None, component=str(placed["component"].iat[0]), role=str(placed["role"].iat[0]))
    largest = depth_profile(run, own, "absmax").rename(columns={"value": "absmax"})[["layer", "modality", "absmax", "channel"]]
    frame = magnitudes(bin_counts_of(run, selection, list(shown["layer"])), _PER_OCTAVE)
    frame = frame.assign(layer=shown["layer"].to_numpy()[frame["place"]])
    frame = frame[frame["low"] > 0].merge(shown[PLACE], on="layer").merge(largest, on=["layer", "modality"])
    frame = frame.assign(kept=len(kept), inputs=len(placed))
    columns = [*PLACE, "modality", "low", "high", "per_octave_percent", "absmax", "channel", "kept", "inputs"]
    return ordered(frame.sort_values("low", kind="stable"), selection, "place")[columns]


def _of_one_role(run: Run, selection: Selection) -> pd.DataFrame:
    """The inputs of the role, in the order of the model."""
    placed = groups(run, replace(selection, layer=None))
    if selection.layer and not selection.role:
        own = group_row(run, selection.layer)
        placed = groups(run, Selection(component=own["component"], role=own["role"]))
    kept = placed[placed["layer"].isin(layers_with_histograms(run))]
    counts = (kept if len(kept) else placed).groupby(["component", "role"], sort=False).size()
    most = counts[counts == counts.max()].index
    pair = most[0]
    if len(most) > 1:
        own = group_row(run, worst_layer(run, selection, with_histogram=True))
        pair = (own["component"], own["role"]) if (own["component"], own["role"]) in most else pair
    return placed[(placed["component"] == pair[0]) & (placed["role"] == pair[1])]
