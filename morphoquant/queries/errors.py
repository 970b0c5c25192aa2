"""Quantisation errors of layers by modality, from sums of squares."""

import numpy as np
import pandas as pd

from morphoquant.core.errors import StoreError, UnknownNameError
from morphoquant.core.selection import Selection
from morphoquant.queries.decibels import sqnr_db, summed
from morphoquant.queries.layers import PLACE, groups, layers
from morphoquant.queries.modalities import ordered, where
from morphoquant.store.run import Run

SUMS = ["tokens", "signal_sq", "error_sq", "cosine_sum"]
INPUT_SUMS = ["clip_sq", "round_sq", "outlier_signal_sq", "outlier_error_sq", "bypassed"]
SOURCES = ("both", "activation", "weight")


def error_sums(run: Run, selection: Selection, tap: str, source: str | None = None) -> pd.DataFrame:
    """Sums of errors of the selected layers, added over position classes.

    Args:
        run: a quantize run.
        selection: component, role, modalities and positions.
        tap: "input" (one row for each shared input) or "output" (one row for each linear).
        source: what is quantised: "weight", "activation" or "both"; absent for "both", or "activation" where a run has no
            other (an input is touched by the activation quantiser alone).

    Returns:
        layer, label, component, role, block, order, modality, source, width, cosine_min and the summed columns of `errors`.

    Raises:
        StoreError: the run has no such rows.
    """
    places = (groups if tap == "input" else layers)(run, selection)
    found = run.frame("errors", where={**where(selection), "tap": tap, "layer": list(places["layer"])})
    present = set(found["source"])
    if source is None:
        source = next((name for name in SOURCES if name in present), "both")
    found = found[(found["source"] == source) & (found["tokens"] > 0)]
    if found.empty:
        raise StoreError(
            f"run {run.run_id!r} has no {tap} error with {source} quantised for this selection: "
            "choose other modalities, another component, or a run that quantises it."
        )
    keys = ["layer", "modality", "source", "width"]
    pooled = summed(found, keys, [*SUMS, *INPUT_SUMS])
    lowest = found.groupby(keys, sort=False)["cosine_min"].min().reset_index()
    pooled = pooled.merge(lowest, on=keys).merge(places[PLACE], on="layer")
    return ordered(pooled[[*PLACE, "modality", "source", "width", "cosine_min", *SUMS, *INPUT_SUMS]], selection, "order")


def _inlier_db(sums: pd.DataFrame) -> np.ndarray:
    return sqnr_db(sums["signal_sq"] - sums["outlier_signal_sq"], (sums["error_sq"] - sums["outlier_error_sq"]).clip(lower=0.0))


ERROR_MEASURES = {
    "sqnr_db": lambda sums: sqnr_db(sums["signal_sq"], sums["error_sq"]),
    "nmse": lambda sums: sums["error_sq"] / sums["signal_sq"],
    "mse": lambda sums: sums["error_sq"] / (sums["tokens"] * sums["width"]),
    "cosine": lambda sums: sums["cosine_sum"] / sums["tokens"],
    "inlier_sqnr_db": _inlier_db,
    "outlier_sqnr_db": lambda sums: sqnr_db(sums["outlier_signal_sq"], sums["outlier_error_sq"]),
    "bypass_density": lambda sums: 100.0 * sums["bypassed"] / (sums["tokens"] * sums["width"]),
}
_INPUT_ONLY = {"inlier_sqnr_db", "outlier_sqnr_db", "bypass_density"}


def split_measure(name: str) -> tuple[str, str]:
    """("output_nmse") -> ("output", "nmse"); measures that only an input has need no tap.

    Raises:
        UnknownNameError: no such measure.
    """
    tap, _, rest = name.partition("_")
    if name in _INPUT_ONLY:
        return "input", name
    if tap in ("input", "output") and rest in ERROR_MEASURES and rest not in _INPUT_ONLY:
        return tap, rest
    known = [f"{tap}_{rest}" for tap in ("output", "input") for rest in ERROR_MEASURES if rest not in _INPUT_ONLY]
    raise UnknownNameError("measure", name, [*known, *_INPUT_ONLY])


def layer_errors(run: Run, selection: Selection, measure: str) -> pd.DataFrame:
    """One error measure for each layer and modality.

    Args:
        run: a quantize run.
        selection: component, role, modalities and positions.
        measure: "output_sqnr_db", "input_nmse", ...: a tap and one of sqnr_db, nmse, mse and cosine; or, of the input only,
            "inlier_sqnr_db", "outlier_sqnr_db" (over unmasked and masked channels) and "bypass_density" (percent).

    Returns:
        layer, label, component, role, block, order, modality, tokens, value. An exact layer has infinite dB; a layer in which
        the measure is not defined, such as the outliers' where no channel is masked, has no row.
    """
    tap, name = split_measure(measure)
    sums = error_sums(run, selection, tap)
    sums = sums.assign(value=ERROR_MEASURES[name](sums))
    return sums.loc[sums["value"].notna(), [*PLACE, "modality", "tokens", "value"]].reset_index(drop=True)
