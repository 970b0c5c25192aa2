"""What a grid does to the values that pass it: clipped, bypassed or rounded."""

import pandas as pd

from morphoquant.core.errors import StoreError, UnknownNameError
from morphoquant.core.selection import Selection
from morphoquant.queries.decibels import summed
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
    found = _table(run, ["group", "modality", "count", column], {**where(selection), "group": list(places["group"])})
    found = summed(found, ["group", "modality"], ["count", column])
    found = found[found["count"] > 0].astype({"group": str, "modality": str})
    found = found.assign(values=found["count"].astype("int64"), value=100.0 * found[column] / found["count"])
    found = found.rename(columns={"group": "layer"}).merge(places[PLACE], on="layer")
    return ordered(found[[*PLACE, "modality", "values", "value"]], selection, "order")


def channel_use(run: Run, selection: Selection, layer: str, channel: int) -> pd.DataFrame:
    """Clipped and bypassed values of one channel: modality, values, clipped_percent, bypassed_percent."""
    filters = {**where(selection), "group": group_row(run, layer)["group"], "channel": int(channel)}
    found = _table(run, ["modality", "count", "clipped", "bypassed"], filters)
    found = summed(found, ["modality"], ["count", "clipped", "bypassed"]).astype({"modality": str})
    found = found[found["count"] > 0]
    for name in ("clipped", "bypassed"):
        found[f"{name}_percent"] = 100.0 * found[name] / found["count"]
    found = found.rename(columns={"count": "values"})[["modality", "values", "clipped_percent", "bypassed_percent"]]
    return ordered(found, selection)


def _table(run: Run, columns: list[str], filters: dict) -> pd.DataFrame:
    if not run.has("grid_use"):
        raise StoreError(f"run {run.run_id!r} quantises no activations on fixed grids: choose a run with one range a channel.")
    return run.table("grid_use", columns, filters).unify_dictionaries().to_pandas()
