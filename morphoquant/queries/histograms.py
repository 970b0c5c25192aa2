"""The distribution of a layer input's values by modality, from the stored bins."""

import numpy as np
import pandas as pd
import pyarrow as pa

from morphoquant.core.errors import StoreError
from morphoquant.core.selection import Selection
from morphoquant.queries.layers import group_row
from morphoquant.queries.modalities import ordered, where
from morphoquant.queries.once import once
from morphoquant.stats.bins import BIN_COUNT, SIGN_BINS, bin_edges
from morphoquant.store.run import Run


def layers_with_histograms(run: Run) -> list[str]:
    """Layer inputs whose histograms the run keeps, sorted."""
    return list(_kept(run)) if run.has("histograms") else []


@once
def _kept(run: Run) -> tuple[str, ...]:
    return tuple(sorted(run.table("histograms", ["group"])["group"].unique().to_pylist()))


def bin_counts(run: Run, selection: Selection, layer: str, channel: int | None = None) -> dict[str, np.ndarray]:
    """Values in each bin, by modality, over all channels or one.

    Returns:
        {modality: int64 [BIN_COUNT]} of the modalities that have a finite value.

    Raises:
        StoreError: the run keeps no histogram of this layer, the channel does not exist, or none of its values is finite.
    """
    group = group_row(run, layer)
    filters = {**where(selection), "group": group["group"]}
    if channel is not None:
        if not 0 <= channel < int(group["in_features"]):
            raise StoreError(f"{layer} has no channel {channel}: allowed are 0 to {int(group['in_features']) - 1}.")
        filters["channel"] = int(channel)
    table = run.table("histograms", ["modality", "bins", "counts"], filters) if run.has("histograms") else None
    if table is None or not table.num_rows:
        kept = layers_with_histograms(run)
        if group["group"] in kept:
            raise StoreError("no token matches the selection: include more modalities, or both position classes.")
        raise StoreError(
            f"run {run.run_id!r} keeps no histogram of {group['group']!r}: "
            + (f"choose one of {', '.join(kept[:6])}{' ...' if len(kept) > 6 else ''}." if kept else "capture the model anew.")
        )
    return with_values(_added_up(table))


def with_values(counts: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Those modalities of the values in each bin that have a value at all.

    Raises:
        StoreError: none has.
    """
    found = {name: row for name, row in counts.items() if row.any()}
    if not found:
        raise StoreError("every value of this selection is NaN or infinite: choose another channel, or include more modalities.")
    return found


def _added_up(table: pa.Table) -> dict[str, np.ndarray]:
    names = table["modality"].combine_chunks().cast(pa.string())
    lists = table["bins"].combine_chunks()
    codes, known = pd.factorize(names.to_numpy(zero_copy_only=False))
    owner = np.repeat(codes, lists.value_lengths().to_numpy())
    bins = lists.flatten().to_numpy().astype(np.int64)
    counts = table["counts"].combine_chunks().flatten().to_numpy()
    total = np.bincount(owner * BIN_COUNT + bins, weights=counts, minlength=len(known) * BIN_COUNT)
    return {str(name): row.astype(np.int64) for name, row in zip(known, total.reshape(-1, BIN_COUNT), strict=True)}


def magnitude_histogram(
    run: Run, selection: Selection, layer: str, channel: int | None = None, per_octave: int = 4
) -> pd.DataFrame:
    """Distribution of |activation| on logarithmic bins, both signs together.

    Args:
        run: a capture run.
        selection: its modalities and positions.
        layer: any linear; its input is shown.
        channel: one channel, absent for all.
        per_octave: bins an octave to show, a divisor of the 16 that are stored.

    Returns:
        modality, low, high (edges of |activation|; the first bin starts at 0), values, share_percent (of the modality's
        values), above_percent (share of values at or above `low`: the tail), per_octave_percent (share over the bin's width
        in octaves, because the stored bins are narrower at the end of an octave; null for the first bin, which has none).
        Bins from the smallest to the largest that any modality fills.
    """
    edges = bin_edges()[:SIGN_BINS]
    join = 16 // per_octave
    index = np.concatenate([[0], 1 + np.arange(SIGN_BINS - 1) // join])
    low = np.full(index[-1] + 1, np.inf)
    np.minimum.at(low, index, edges[:, 0])
    high = np.zeros(index[-1] + 1)
    np.maximum.at(high, index, edges[:, 1])
    parts = []
    for modality, counts in bin_counts(run, selection, layer, channel).items():
        values = np.bincount(index, weights=counts[:SIGN_BINS] + counts[SIGN_BINS:]).astype(np.int64)
        above = np.cumsum(values[::-1])[::-1]
        share, tail = 100.0 * values / values.sum(), 100.0 * above / values.sum()
        octaves = np.log2(high[1:] / low[1:])
        columns = dict(modality=modality, low=low, high=high, values=values, share_percent=share, above_percent=tail)
        columns["per_octave_percent"] = np.concatenate([[np.nan], share[1:] / octaves])
        parts.append(pd.DataFrame(columns))
    frame = pd.concat(parts, ignore_index=True)
    filled = frame.loc[(frame["values"] > 0) & (frame["low"] > 0), "low"]
    shown = frame["low"].between(filled.min(), filled.max()) if len(filled) else frame["low"] == 0
    return ordered(frame[shown | ((frame["low"] == 0) & (frame["values"] > 0))].sort_values("low", kind="stable"), selection)


def signed_density(
    run: Run, selection: Selection, layer: str, channel: int | None = None, span: tuple[float, float] | None = None
) -> pd.DataFrame:
    """Density of the activation on a linear axis: the stored bins, joined where they are narrower than 1/240 of the range.

    Args:
        run: a capture run.
        selection: its modalities and positions.
        layer: any linear; its input is shown.
        channel: one channel, absent for all.
        span: (low, high) of the axis; absent for the range of the filled bins.

    Returns:
        modality, low, high, values, density (share of the modality's values per unit of activation). Empty bins between
        filled ones have density 0; bins outside `span` are left out, `values` of the others are not rescaled.
    """
    return density_of(bin_counts(run, selection, layer, channel), selection, span)


def density_of(counts: dict[str, np.ndarray], selection: Selection, span: tuple[float, float] | None = None) -> pd.DataFrame:
    """`signed_density` of values in each bin by modality, as `bin_counts` gives them."""
    edges = bin_edges()
    line = np.argsort(edges[:, 0], kind="stable")
    edges = edges[line]
    counts = {name: row[line] for name, row in counts.items()}
    filled = np.flatnonzero(sum(counts.values()))
    low, high = span or (edges[filled[0], 0], edges[filled[-1], 1])
    index = _joined(edges, (high - low) / 240)
    lows = edges[np.flatnonzero(np.diff(index, prepend=-1)), 0]
    highs = np.append(lows[1:], edges[-1, 1])
    inside = (highs > low) & (lows < high)
    parts = []
    for modality, row in counts.items():
        values = np.bincount(index, weights=row).astype(np.int64)
        density = values / row.sum() / (highs - lows)
        part = pd.DataFrame(dict(modality=modality, low=lows, high=highs, values=values, density=density))
        parts.append(part[inside])
    return ordered(pd.concat(parts, ignore_index=True), selection)


def _joined(edges: np.ndarray, width: float) -> np.ndarray:
    """Number of the joined bin of each bin: neighbours join until they are `width` wide; none spans zero."""
    index = np.zeros(len(edges), dtype=np.int64)
    start, current = edges[0, 0], 0
    for place, (low, _) in enumerate(edges):
        if place and (low - start >= width or low == 0.0):
            current, start = current + 1, low
        index[place] = current
    return index
