"""What a grid does to the values that pass it: clipped, bypassed or rounded."""

import pandas as pd

from morphoquant.core.errors import StoreError, UnknownNameError
from morphoquant.core.selection import Selection
from morphoquant.queries.decibels import summed
from morphoquant.queries.input_use import NO_GRIDS, input_use
from morphoquant.queries.layers import PLACE, group_row, groups
from morphoquant.queries.modalities import ordered, where
from morphoquant.store.run import Run

USE_MEASURES = {"bypassed_share": "bypassed", "clipped_share": "clipped"}


def grid_use(run: Run, selection: Selection, measure: str) -> pd.DataFrame:
    """Share of a layer input's values that bypass the grid or are clipped by it, by modality.

    Args:
        run: a quantize run.
        selection: component, role, modalities and positions.
        measure: "bypassed_share" or "clipped_share".

    Returns:
        layer, label, component, role, block, order, modality, values, value (percent of the values).

    Raises:
        UnknownNameError: no such measure.
    """
    if measure not in USE_MEASURES:
        raise UnknownNameError("measure", measure, USE_MEASURES)
    places = groups(run, selection)
    column = USE_MEASURES[measure]
    found = input_use(run)
    for name, wanted in where(selection).items():
        found = found[found[name].isin(wanted)]
    found = summed(found, ["layer", "modality"], ["count", column])
    found = found.assign(values=found["count"], value=100.0 * found[column] / found["count"]).merge(places[PLACE], on="layer")
    return ordered(found[[*PLACE, "modality", "values", "value"]], selection, "order")


def channel_use(run: Run, selection: Selection, layer: str, channel: int) -> pd.DataFrame:
    """Clipped and bypassed values of one channel: modality, values, clipped_percent, bypassed_percent."""
    filters = {**where(selection), "group": group_row(run, layer)["group"], "channel": int(channel)}
    if not run.has("grid_use"):
        raise StoreError(NO_GRIDS.format(run=run.run_id))
    found = run.frame("grid_use", ["modality", "count", "clipped", "bypassed"], filters)
    found = summed(found, ["modality"], ["count", "clipped", "bypassed"])
    found = found[found["count"] > 0]
    for name in ("clipped", "bypassed"):
        found[f"{name}_percent"] = 100.0 * found[name] / found["count"]
    found = found.rename(columns={"count": "values"})[["modality", "values", "clipped_percent", "bypassed_percent"]]
    return ordered(found, selection)
