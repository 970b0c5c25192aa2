"""The layers with the strongest outliers."""

import pandas as pd

from morphoquant.core.selection import Selection
from morphoquant.queries.depth import depth_profile
from morphoquant.store.run import Run


def worst_layers(run: Run, selection: Selection, measure: str, count: int = 12) -> pd.DataFrame:
    """The `count` layer inputs whose worst modality has the largest value of a measure of `depth_profile`.

    Returns:
        The rows of `depth_profile` for these layers, all modalities, with rank (1 is the worst layer) and worst (whether
        the modality is the one that ranks the layer). Sorted by rank.
    """
    frame = depth_profile(run, selection, measure)
    tops = frame.groupby("layer", sort=False)["value"].max().nlargest(count)
    rank = {layer: place for place, layer in enumerate(tops.index, 1)}
    frame = frame[frame["layer"].isin(rank)].copy()
    frame.insert(0, "rank", frame["layer"].map(rank))
    frame["worst"] = frame["value"] == frame.groupby("layer")["value"].transform("max")
    return frame.sort_values("rank", kind="stable").reset_index(drop=True)


def worst_layer(run: Run, selection: Selection) -> str:
    """Name of the layer input with the largest ratio of its largest channel to the median one."""
    return str(worst_layers(run, selection, "max_median_ratio", count=1)["layer"].iat[0])
