"""What an error consists of: clipping against rounding, weights against activations."""

import pandas as pd

from morphoquant.core.errors import StoreError
from morphoquant.core.selection import Selection
from morphoquant.queries.decibels import sqnr_db, summed
from morphoquant.queries.errors import error_sums
from morphoquant.queries.layers import PLACE
from morphoquant.queries.modalities import ordered
from morphoquant.store.run import Run


def clipping_and_rounding(run: Run, selection: Selection) -> pd.DataFrame:
    """Squared error of layer inputs from clipped and from rounded values, relative to the signal.

    Returns:
        A row for each layer and modality, and one with layer null for each modality pooled over the layers (sums of squares
        added first): layer, label, component, role, block, order, modality, clip_nmse, round_nmse,
        clip_share_percent (of the error; null where the error is zero).

    Raises:
        StoreError: the run does not quantise activations.
    """
    sums = error_sums(run, selection, "input")
    columns = ["signal_sq", "clip_sq", "round_sq"]
    sums = sums[sums["clip_sq"].notna() & (sums["signal_sq"] > 0)]
    if sums.empty:
        raise StoreError(f"run {run.run_id!r} has no split of its input errors: choose a run that quantises activations.")
    pooled = ordered(summed(sums, ["modality"], columns), selection)
    frame = pd.concat([sums[[*PLACE, "modality", *columns]], pooled], ignore_index=True)
    error = frame["clip_sq"] + frame["round_sq"]
    frame["clip_nmse"] = frame["clip_sq"] / frame["signal_sq"]
    frame["round_nmse"] = frame["round_sq"] / frame["signal_sq"]
    frame["clip_share_percent"] = (100.0 * frame["clip_sq"] / error).where(error > 0)
    return frame[[*PLACE, "modality", "clip_nmse", "round_nmse", "clip_share_percent"]]


def error_sources(run: Run, selection: Selection) -> pd.DataFrame:
    """Output SQNR with only the weights, only the activations, or both quantised, pooled over the selected layers.

    Returns:
        modality, source, layers (pooled), sqnr_db.
    """
    parts = []
    for source in ("weight", "activation", "both"):
        try:
            sums = error_sums(run, selection, "output", source)
        except StoreError:
            continue  # a run that quantises weights only has no activation rows
        pooled = summed(sums, ["modality"], ["signal_sq", "error_sq"])
        pooled["layers"] = pooled["modality"].map(sums.groupby("modality")["layer"].nunique())
        parts.append(pooled.assign(source=source, sqnr_db=sqnr_db(pooled["signal_sq"], pooled["error_sq"])))
    if not parts:
        raise StoreError(f"run {run.run_id!r} has no output errors for this selection: choose another component or modality.")
    frame = pd.concat(parts, ignore_index=True)
    return ordered(frame[["modality", "source", "layers", "sqnr_db"]], selection)
