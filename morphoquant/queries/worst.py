"""The layers with the strongest outliers."""

import pandas as pd

from morphoquant.core.selection import Selection
from morphoquant.queries.depth import depth_profile
from morphoquant.queries.histograms import layers_with_histograms
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


def worst_layer(run: Run, selection: Selection, with_histogram: bool = False) -> str:
    """Name of the layer input with the largest ratio of its largest channel to the median one.

    Args:
        run: a capture run.
        selection: component, role, modalities and positions.
        with_histogram: only among the inputs whose histograms the run keeps; if it keeps none, among all.
    """
    frame = depth_profile(run, selection, "max_median_ratio")
    kept = layers_with_histograms(run) if with_histogram else []
    among = frame[frame["layer"].isin(kept)] if len(kept) else frame
    return str((among if len(among) else frame).sort_values("value", kind="stable")["layer"].iat[-1])
