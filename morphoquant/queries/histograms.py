"""The distribution of a layer input's values by modality, from the stored bins."""

from collections.abc import Sequence
from typing import NoReturn

import numpy as np
import pandas as pd
import pyarrow as pa

from morphoquant.core.errors import StoreError
from morphoquant.core.selection import Selection
from morphoquant.queries.layers import group_row
from morphoquant.queries.modalities import ordered, where
from morphoquant.queries.once import once
from morphoquant.queries.summed_bins import TABLE, added_up
from morphoquant.stats.bins import SIGN_BINS, bin_edges
from morphoquant.store.run import Run

Counts = dict[str, np.ndarray]


def layers_with_histograms(run: Run) -> list[str]:
    """Layer inputs whose histograms the run keeps, sorted."""
    return list(_kept(run)) if run.has("histograms") else []


@once
def _kept(run: Run) -> tuple[str, ...]:
    name = TABLE if run.has(TABLE) else "histograms"
    return tuple(sorted(run.table(name, ["group"])["group"].unique().to_pylist()))


def bin_counts(run: Run, selection: Selection, layer: str, channel: int | None = None) -> Counts:
    """Values in each bin, by modality, over all channels or one.

    Returns:
        {modality: int64 [BIN_COUNT]} of the modalities that have a finite value.

    Raises:
        StoreError: the run keeps no histogram of this layer, the channel does not exist, or none of its values is finite.
    """
    if channel is None:
        return bin_counts_of(run, selection, [layer])[0]
    return counted(channel_bins(run, selection, layer, channel))


def bin_counts_of(run: Run, selection: Selection, layers: Sequence[str]) -> list[Counts]:
    """`bin_counts` of several layers, over all channels of each."""
    groups = [str(group_row(run, layer)["group"]) for layer in layers]
    if not run.has(TABLE):
        return [counted(_rows(run, selection, group, ["modality", "bins", "counts"])) for group in groups]
    table = run.table(TABLE, ["group", "modality", "bins", "counts"], {**where(selection), "group": groups})
    found: dict[str, Counts] = {}
    for (group, modality), row in added_up(table, ("group", "modality")).items():
        found.setdefault(group, {})[modality] = row
    return [with_values(found[group]) if group in found else _nothing(run, group) for group in groups]


def channel_bins(run: Run, selection: Selection, layer: str, channel: int) -> pa.Table:
    """The histograms of one channel: modality, channel, bins, counts.

    Raises:
        StoreError: the run keeps no histogram of this layer, or the channel does not exist.
    """
    group = group_row(run, layer)
    if not 0 <= channel < int(group["in_features"]):
        raise StoreError(f"{layer} has no channel {channel}: allowed are 0 to {int(group['in_features']) - 1}.")
    return _rows(run, selection, str(group["group"]), ["modality", "channel", "bins", "counts"], channel=int(channel))


def counted(table: pa.Table) -> Counts:
    """Values in each bin, by modality, of rows as `channel_bins` gives them.

    Raises:
        StoreError: none of the values is finite.
    """
    return with_values({modality: row for (modality,), row in added_up(table, ("modality",)).items()})


def _rows(run: Run, selection: Selection, group: str, columns: list[str], **also: int) -> pa.Table:
    filters = {**where(selection), "group": group, **also}
    table = run.table("histograms", columns, filters) if run.has("histograms") else None
    return table if table is not None and table.num_rows else _nothing(run, group)


def _nothing(run: Run, group: str) -> NoReturn:
    kept = layers_with_histograms(run)
    if group in kept:
        raise StoreError("no token matches the selection: include more modalities, or both position classes.")
    raise StoreError(
        f"run {run.run_id!r} keeps no histogram of {group!r}: "
        + (f"choose one of {', '.join(kept[:6])}{' ...' if len(kept) > 6 else ''}." if kept else "capture the model anew.")
    )


def with_values(counts: Counts) -> Counts:
    """Those modalities of the values in each bin that have a value at all.

    Raises:
        StoreError: none has.
    """
    found = {name: row for name, row in counts.items() if row.any()}
    if not found:
        raise StoreError("every value of this selection is NaN or infinite: choose another channel, or include more modalities.")
    return found


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
    frame = magnitudes([bin_counts(run, selection, layer, channel)], per_octave).drop(columns="place")
    return ordered(frame.sort_values("low", kind="stable"), selection)


def magnitudes(inputs: Sequence[Counts], per_octave: int) -> pd.DataFrame:
    """The columns of `magnitude_histogram` for several inputs, and place: which of `inputs` a row is of."""
    edges = bin_edges()[:SIGN_BINS]
    join = 16 // per_octave
    index = np.concatenate([[0], 1 + np.arange(SIGN_BINS - 1) // join])
    low = np.full(index[-1] + 1, np.inf)
    np.minimum.at(low, index, edges[:, 0])
    high = np.zeros(index[-1] + 1)
    np.maximum.at(high, index, edges[:, 1])
    octaves = np.log2(high[1:] / low[1:])
    found: dict[str, list[np.ndarray]] = {}
    for place, counts in enumerate(inputs):
        rows = np.stack([np.bincount(index, weights=row[:SIGN_BINS] + row[SIGN_BINS:]) for row in counts.values()])
        values = rows.astype(np.int64)
        total = values.sum(axis=1, keepdims=True)
        above = np.cumsum(values[:, ::-1], axis=1)[:, ::-1]
        share, tail = 100.0 * values / total, 100.0 * above / total
        wide = np.concatenate([np.full((len(values), 1), np.nan), share[:, 1:] / octaves], axis=1)
        shown = np.zeros(values.shape, bool)
        filled = 1 + np.flatnonzero(values[:, 1:].any(axis=0))
        shown[:, slice(filled[0], filled[-1] + 1) if len(filled) else 0] = True
        shown[:, 0] |= values[:, 0] > 0
        modality, bin_ = np.nonzero(shown)
        own = dict(place=np.full(len(bin_), place), modality=np.array(list(counts), object)[modality], low=low[bin_])
        own |= dict(high=high[bin_], values=values[shown], share_percent=share[shown], above_percent=tail[shown])
        for name, column in (own | dict(per_octave_percent=wide[shown])).items():
            found.setdefault(name, []).append(column)
    return pd.DataFrame({name: np.concatenate(columns) for name, columns in found.items()}).astype({"modality": str})


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
    lows = edges[:, 0].tolist()
    start, current = lows[0], 0
    for place, low in enumerate(lows):
        if place and (low - start >= width or low == 0.0):
            current, start = current + 1, low
        index[place] = current
    return index
