"""A measure of every channel of the residual stream, or of one role's inputs, over the depth of the model."""

import numpy as np
import pandas as pd

from morphoquant.core.errors import UnknownNameError
from morphoquant.core.selection import Selection
from morphoquant.queries.channels import by_input, channel_frame
from morphoquant.queries.modalities import ordered
from morphoquant.queries.stream import through_depth
from morphoquant.stats.dispersion import dispersion_score
from morphoquant.stats.moments import Moments
from morphoquant.store.run import Run

MOST_CELLS, MOST_LAYERS = 60_000, 96


def _kurtosis(rows: pd.DataFrame) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return Moments(*(rows[name].to_numpy(float) for name in ("count", "mean", "m2", "m3", "m4"))).kurtosis()


CHANNEL_MEASURES = {
    "absmax": lambda rows: rows["absmax"].to_numpy(),
    "kurtosis": _kurtosis,
    "dispersion": lambda rows: dispersion_score(*(rows[name].to_numpy() for name in ("min", "max", "mean_abs"))),
}


def channel_map(run: Run, selection: Selection, measure: str) -> pd.DataFrame:
    """A measure by layer input, modality and channel.

    Neighbouring channels, and neighbouring inputs where there are very many, join into a cell that holds the largest value.

    Args:
        run: a capture run.
        selection: component, role, modalities and positions; see `through_depth`.
        measure: "absmax", "kurtosis" (3 for a normal distribution) or "dispersion" (the score of `stats.dispersion`).

    Returns:
        layer, label, component, order, modality, row (of cells, from 0), layers (joined), first_channel, channels (joined),
        channel (of the largest value), value. Cells without a finite value have no row.

    Raises:
        UnknownNameError: no such measure.
        StoreError: nothing matches.
    """
    if measure not in CHANNEL_MEASURES:
        raise UnknownNameError("measure", measure, CHANNEL_MEASURES)
    places = through_depth(run, selection)
    frame = channel_frame(run, selection, list(places["layer"]), moments=measure == "kurtosis", coded=True)
    values = np.concatenate([np.empty(0), *(CHANNEL_MEASURES[measure](rows) for _, rows in by_input(frame))])
    frame = frame[["group", "modality", "channel"]].assign(value=values)[np.isfinite(values)]
    high = -(-len(places) // MOST_LAYERS)
    places = places.assign(row=np.arange(len(places)) // high)
    maps = max(1, frame["modality"].nunique())
    columns = max(1, MOST_CELLS // (maps * (int(places["row"].max()) + 1)))
    wide = -(-int(places["in_features"].max()) // columns)
    rows = places.set_index("layer")["row"].reindex(frame["group"].cat.categories, fill_value=-1).to_numpy()
    frame = frame.assign(row=rows[frame["group"].cat.codes], column=frame["channel"] // wide)
    largest = frame.iloc[_largest(frame)].drop(columns="group").astype({"modality": str})
    heads = places.drop_duplicates("row")[["layer", "label", "component", "order", "row", "in_features"]]
    found = largest.merge(heads, on="row").merge(places.groupby("row").size().rename("layers").reset_index(), on="row")
    found["first_channel"] = found["column"] * wide
    found["channels"] = np.minimum(wide, found["in_features"] - found["first_channel"])
    columns = [*heads.columns[:4], "modality", "row", "layers", "first_channel", "channels", "channel", "value"]
    return ordered(found[columns].sort_values(["order", "first_channel"], kind="stable"), selection)


def _largest(frame: pd.DataFrame) -> np.ndarray:
    """Places of the rows that are the largest of their cell, the first of equal ones; without groups, for millions of rows."""
    keys = [frame["modality"].cat.codes, frame["row"], frame["column"]]
    sizes = [int(key.max()) + 1 if len(key) else 1 for key in keys]
    cell = np.ravel_multi_index([key.to_numpy(np.int64) for key in keys], sizes)
    values = frame["value"].to_numpy()
    top, place = np.full(np.prod(sizes), -np.inf), np.full(np.prod(sizes), -1)
    np.maximum.at(top, cell, values)
    found = np.flatnonzero(values == top[cell])[::-1]
    place[cell[found]] = found
    return place[place >= 0]
