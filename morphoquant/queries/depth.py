"""One number for each layer input and modality: how its outliers grow with depth."""

import numpy as np
import pandas as pd

from morphoquant.core.errors import UnknownNameError
from morphoquant.core.selection import Selection
from morphoquant.queries.input_measures import MOMENTS, selected
from morphoquant.queries.layers import PLACE, groups
from morphoquant.queries.modalities import ordered
from morphoquant.store.run import Run

DEPTH_MEASURES = {
    "absmax": lambda rows: rows["absmax"],
    "max_median_ratio": lambda rows: rows["absmax"] / rows["median_absmax"].where(rows["median_absmax"] > 0),
    "kurtosis": lambda rows: rows["kurtosis"],
    "dispersion_max": lambda rows: rows["dispersion_max"],
    "dispersion_mean": lambda rows: rows["dispersion_mean"],
    "masked_share": lambda rows: 100.0 * rows["masked"].map(len) / rows["width"],
}


def depth_profile(run: Run, selection: Selection, measure: str) -> pd.DataFrame:
    """A measure of each selected layer input, by modality.

    Args:
        run: a capture run.
        selection: component, role, modalities and positions.
        measure: "absmax" (largest magnitude), "max_median_ratio" (largest channel absmax over the median one), "kurtosis"
            (of all values of the input, 3 for a normal distribution), "dispersion_max" and "dispersion_mean" (of the
            channels' dispersion scores), "masked_share" (outlier channels, in percent).

    Returns:
        layer, label, component, role, block, order, modality, tokens, channel (of the largest magnitude), value.
        Inputs for which the measure is not defined have no row.

    Raises:
        UnknownNameError: no such measure.
    """
    if measure not in DEPTH_MEASURES:
        raise UnknownNameError("measure", measure, DEPTH_MEASURES)
    found = selected(run, selection, moments=measure in MOMENTS).merge(groups(run, selection)[PLACE], on="layer")
    found = found.assign(value=DEPTH_MEASURES[measure](found).astype(float), tokens=found["finite"])
    found = found[np.isfinite(found["value"].to_numpy())].astype({"channel": int})
    return ordered(found[[*PLACE, "modality", "tokens", "channel", "value"]], selection, "order")
