"""What a layer input's SQNR would be at any bit-width and clip ratio, from the histograms alone."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from morphoquant.core.errors import StoreError
from morphoquant.core.modality import MODALITIES
from morphoquant.core.selection import Selection
from morphoquant.core.spec import FULL_PRECISION_BITS, QuantSpec
from morphoquant.queries.compare import comparable, run_labels
from morphoquant.queries.decibels import sqnr_db
from morphoquant.queries.errors import layer_errors_of
from morphoquant.queries.layers import group_row
from morphoquant.queries.modalities import ordered
from morphoquant.queries.what_if import SUMS, part_sums, sums_frame
from morphoquant.queries.what_if_parts import layer_parts
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

    from morphoquant.quant.binned_rows import StaticGrids, stacked
    from morphoquant.quant.grid import symmetric_grid

    settings = [(width, clip) for width in bits for clip in clips]
    total = np.zeros((len(SUMS), len(settings), len(MODALITIES)))
    with layer_parts(capture, layer, selection) as (stats, parts):
        _, low, high, _ = stats.pooled
        absmax = torch.from_numpy(np.maximum(np.abs(low), np.abs(high)))
        nowhere = np.full(len(absmax), np.inf)
        grids = []
        for width, clip in settings:
            levels = symmetric_grid(absmax * clip, width)
            numbers = levels.step.numpy(), levels.zero_point.numpy()
            grids.append(StaticGrids(*numbers, nowhere, levels.code_low, levels.code_high))
        together = stacked(grids)
        for part in parts:
            total += part_sums(part, part.rows.errors_on(together), 1, selection)
    # As if each setting were a layer of its own: their rows come one after the other.
    frame = sums_frame(pd.concat([stats.places] * len(settings)), total.reshape(len(SUMS), -1))
    shown = np.repeat(np.array(settings, float), (total[0] > 0).sum(axis=1), axis=0)
    frame = frame.assign(bits=shown[:, 0].astype(np.int64), clip=shown[:, 1])
    if frame.empty:
        raise StoreError(f"run {capture.run_id!r} keeps no histogram of {layer!r} here: choose another layer or modality.")
    frame["sqnr_db"] = sqnr_db(frame["signal_sq"], frame["error_sq"])
    frame["clip_share_percent"] = (100.0 * frame["clip_sq"] / frame["error_sq"]).where(frame["error_sq"] > 0)
    frame["values"] = frame["values"].astype(np.int64)
    return ordered(frame[["layer", "modality", "bits", "clip", "values", "sqnr_db", "clip_share_percent"]], selection)


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
    labels = [
        (run, label, bits)
        for run, label in zip(quantised, run_labels(quantised), strict=True)
        if (bits := QuantSpec.parse(str(run.plan.spec)).a_bits) != FULL_PRECISION_BITS
    ]
    if labels:
        runs, names, widths = zip(*labels, strict=True)
        everywhere = replace(selection, component=None, role=None)
        found = layer_errors_of(runs, everywhere, "input_sqnr_db", layer=group).rename(columns={"value": "sqnr_db"})
        found = found[np.isfinite(found["sqnr_db"])]
        place = found["run"].to_numpy()
        found = found.assign(bits=np.array(widths)[place], label_run=np.array(names, object)[place], kind="measured")
        parts.append(found)
    frame = pd.concat(parts, ignore_index=True)
    if "label_run" not in frame:
        frame["label_run"] = None
    return frame[["layer", "modality", "bits", "sqnr_db", "kind", "label_run"]]
