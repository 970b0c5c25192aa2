"""What a layer input's SQNR would be at any bit-width and clip ratio, from the histograms alone."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa

from morphoquant.core.errors import StoreError
from morphoquant.core.modality import POSITIONS
from morphoquant.core.selection import Selection
from morphoquant.core.spec import FULL_PRECISION_BITS, QuantSpec
from morphoquant.queries.channels import channel_frame
from morphoquant.queries.compare import comparable, run_labels
from morphoquant.queries.decibels import sqnr_db
from morphoquant.queries.errors import layer_errors
from morphoquant.queries.layers import group_row
from morphoquant.queries.modalities import ordered, where
from morphoquant.stats.bins import BIN_COUNT, bin_edges, coarse_of, fine_edges
from morphoquant.store.run import Run

BITS = tuple(range(2, 9))


def predicted_sqnr(
    capture: Run, selection: Selection, layer: str, bits: Sequence[int] = BITS, clips: Sequence[float] = (1.0,)
) -> pd.DataFrame:
    """Expected SQNR of a layer input with one static range a channel, over bit-widths and clip ratios.

    The grid of a channel is RTN's default: symmetric, up to the largest magnitude over all modalities and positions times
    the clip ratio.

    Args:
        capture: a capture run.
        selection: its modalities and positions.
        layer: any linear; its input is meant.
        bits: bit-widths, 2 to 8.
        clips: ratios of the range, above 0.

    Returns:
        layer, modality, bits, clip, values, sqnr_db, clip_share_percent (of the error; null where there is none).

    Raises:
        StoreError: the run keeps no histogram of this layer.
    """
    import torch

    from morphoquant.quant.binned import HistogramRows, binned_error
    from morphoquant.quant.grid import symmetric_grid

    group = group_row(capture, layer)
    wanted = {**where(selection), "group": group["group"]}
    names = ["modality", "position", "channel", "bins", "counts", "largest"]
    table = capture.table("histograms", names, wanted) if capture.has("histograms") else None
    if table is None or not table.num_rows:
        raise StoreError(f"run {capture.run_id!r} keeps no histogram of {group['group']!r}: choose another layer or modality.")
    absmax = torch.from_numpy(_absmax(capture, group))
    rows = HistogramRows(
        table["channel"].to_numpy(),
        *_flat(table, "bins"),
        _flat(table, "counts")[1],
        *_flat(table, "largest"),
        *_extremes(capture, table, wanted),
    )
    modalities = table["modality"].cast(pa.string()).to_numpy()
    parts = [(modalities, rows, bin_edges())]
    if capture.has("fine_histograms"):
        parts = _refined(capture.table("fine_histograms", names[:-1], wanted), table, modalities, rows)
    found = []
    for width in bits:
        for clip in clips:
            grid = symmetric_grid(absmax * clip, width)
            frames = []
            for of, part, edges in parts:
                error = binned_error(part, edges, grid)
                sums = dict(values=error.count, signal=error.signal_sq, error=error.error_sq, clipped=error.clip_sq)
                frames.append(pd.DataFrame(dict(modality=of, **sums)))
            sums = pd.concat(frames).groupby("modality", sort=False).sum().reset_index()
            found.append(sums.assign(bits=width, clip=clip))
    frame = pd.concat(found, ignore_index=True).assign(layer=group["group"])
    frame["sqnr_db"] = sqnr_db(frame["signal"], frame["error"])
    frame["clip_share_percent"] = (100.0 * frame["clipped"] / frame["error"]).where(frame["error"] > 0)
    frame["values"] = frame["values"].astype(np.int64)
    return ordered(frame[["layer", "modality", "bits", "clip", "values", "sqnr_db", "clip_share_percent"]], selection)


def _refined(fine: pa.Table, table: pa.Table, modalities: np.ndarray, rows) -> list[tuple]:
    """(modality of each row, histogram rows, edges) without the values that `fine` tells more exactly, and of those."""
    from morphoquant.quant.binned import HistogramRows

    places = {key: place for place, key in enumerate(_keys(table))}
    found = np.array([places[key] for key in _keys(fine)], dtype=np.int64)
    (offsets, bins), (_, counts) = _flat(fine, "bins"), _flat(fine, "counts")
    rest = rows.counts.astype(np.int64)
    for place, start, end in zip(found, offsets[:-1], offsets[1:], strict=True):
        told = np.bincount(coarse_of(bins[start:end]), counts[start:end], BIN_COUNT).astype(np.int64)
        own = slice(rows.offsets[place], rows.offsets[place + 1])
        rest[own] -= told[rows.bins[own]]
    # The largest values of these channels are among the finely counted.
    kept = np.diff(rows.largest_offsets)
    keep = np.ones(len(kept), bool)
    keep[found] = False
    largest = rows.largest[np.repeat(keep, kept)]
    ends = np.concatenate([[0], np.cumsum(np.where(keep, kept, 0))])
    coarse = replace(rows, counts=rest, largest_offsets=ends, largest=largest)
    nothing = np.zeros(len(found) + 1, np.int64), np.empty(0, np.float32)
    finer = HistogramRows(rows.channel[found], offsets, bins, counts, *nothing, rows.low[found], rows.high[found])
    return [(modalities, coarse, bin_edges()), (modalities[found], finer, fine_edges())]


def _keys(table: pa.Table) -> list[tuple]:
    """(modality, position, channel) of each row."""
    return list(zip(*(table[name].to_pylist() for name in ("modality", "position", "channel")), strict=True))


def predicted_and_measured(capture: Run, runs: list[Run], selection: Selection, layer: str) -> pd.DataFrame:
    """`predicted_sqnr` over bit-widths, and what the quantize runs among `runs` measured at theirs.

    Returns:
        layer, modality, bits, sqnr_db, kind ("predicted" or "measured"), label_run (null for predictions).

    Raises:
        CompareError: the runs differ in more than method, fields and spec.
    """
    parts = [predicted_sqnr(capture, selection, layer).assign(kind="predicted")]
    group = str(group_row(capture, layer)["group"])
    quantised = comparable([run for run in runs if run.plan.kind == "quantize"])
    for run, label in zip(quantised, run_labels(quantised), strict=True):
        bits = QuantSpec.parse(str(run.plan.spec)).a_bits
        if bits == FULL_PRECISION_BITS:
            continue
        everywhere = replace(selection, component=None, role=None)
        found = layer_errors(run, everywhere, "input_sqnr_db").rename(columns={"value": "sqnr_db"})
        found = found[(found["layer"] == group) & np.isfinite(found["sqnr_db"])]
        parts.append(found.assign(bits=bits, kind="measured", label_run=label))
    frame = pd.concat(parts, ignore_index=True)
    if "label_run" not in frame:
        frame["label_run"] = None
    return frame[["layer", "modality", "bits", "sqnr_db", "kind", "label_run"]]


def _absmax(capture: Run, group: pd.Series) -> np.ndarray:
    """Largest magnitude of each channel over all modalities and positions; 0 for a channel without a finite value."""
    frame = channel_frame(capture, Selection(positions=POSITIONS), [group["group"]])
    pooled = frame.groupby("channel")["absmax"].max()
    return pooled.reindex(range(int(group["in_features"])), fill_value=0.0).to_numpy(float).copy()


def _extremes(capture: Run, table: pa.Table, wanted: dict) -> tuple[np.ndarray, np.ndarray]:
    """Smallest and largest value of each histogram row: where the outermost bins end, which fine grids feel."""
    keys = ["modality", "position", "channel"]
    stats = capture.frame("channel_stats", [*keys, "min", "max"], wanted).set_index(keys)
    rows = pd.MultiIndex.from_arrays(
        [table[key].cast(pa.string()).to_pylist() for key in keys[:2]] + [table["channel"].to_numpy()]
    )
    found = stats.reindex(rows)
    low, high = (found[name].to_numpy(np.float64) for name in ("min", "max"))
    return np.where(np.isnan(low), -np.inf, low), np.where(np.isnan(high), np.inf, high)


def _flat(table: pa.Table, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Offsets and values of a list column."""
    lists = table[name].combine_chunks()
    lengths = lists.value_lengths().to_numpy()
    return np.concatenate([[0], np.cumsum(lengths)]), lists.flatten().to_numpy()
