"""One number for each layer input and modality: how its outliers grow with depth."""

import numpy as np
import pandas as pd

from morphoquant.core.errors import UnknownNameError
from morphoquant.core.selection import Selection
from morphoquant.queries.channels import by_input, channel_frame
from morphoquant.queries.layers import PLACE, groups
from morphoquant.queries.modalities import ordered
from morphoquant.stats.dispersion import dispersion_score, outlier_mask
from morphoquant.stats.moments import Moments, pool
from morphoquant.store.run import Run


def _scores(rows: pd.DataFrame) -> np.ndarray:
    return dispersion_score(rows["min"].to_numpy(), rows["max"].to_numpy(), rows["mean_abs"].to_numpy())


def _kurtosis(rows: pd.DataFrame) -> float:
    parts = Moments(*(rows[name].to_numpy() for name in ("count", "mean", "m2", "m3", "m4")))
    return float(pool(parts).kurtosis())


def _ratio(rows: pd.DataFrame) -> float:
    absmax = rows["absmax"].to_numpy()
    middle = float(np.median(absmax))
    return float(absmax.max()) / middle if middle > 0 else np.nan


DEPTH_MEASURES = {
    "absmax": lambda rows: float(rows["absmax"].max()),
    "max_median_ratio": _ratio,
    "kurtosis": _kurtosis,
    "dispersion_max": lambda rows: float(_scores(rows).max()),
    "dispersion_mean": lambda rows: float(_scores(rows).mean()),
    "masked_share": lambda rows: 100.0 * float(outlier_mask(_scores(rows)).mean()),
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
    places = groups(run, selection)
    frame = channel_frame(run, selection, list(places["group"]), moments=measure == "kurtosis", coded=True)
    compute = DEPTH_MEASURES[measure]
    rows = [
        (group, modality, int(part["count"].max()), int(part["channel"].to_numpy()[part["absmax"].argmax()]), compute(part))
        for (group, modality), part in by_input(frame)
    ]
    found = pd.DataFrame(rows, columns=["layer", "modality", "tokens", "channel", "value"])
    found = found[np.isfinite(found["value"].to_numpy(float))].merge(places[PLACE], on="layer")
    return ordered(found[[*PLACE, "modality", "tokens", "channel", "value"]], selection, "order")
