"""Where a static grid stands: the edges of every channel of one layer input before and after the search."""

import numpy as np
import pandas as pd

from morphoquant.core.errors import StoreError
from morphoquant.queries.layers import group_row
from morphoquant.queries.sources import static
from morphoquant.store.run import Run


def channel_grids(run: Run, layer: str) -> pd.DataFrame:
    """The stored grids of a layer input, one row a channel, in order; columns of the table `grids`.

    Raises:
        StoreError: the run has no static grids, or treats the modalities of this layer differently.
        UnknownNameError: no such layer.
    """
    frame = static(run).frame("grids", where={"group": group_row(run, layer)["group"]})
    if frame.empty:
        raise StoreError(
            f"run {run.run_id!r} has a grid for each modality at {layer}, none for all rows: choose a layer of one modality, "
            "or a run whose method treats all rows alike."
        )
    return frame.sort_values("channel").reset_index(drop=True)


def alpha_search(run: Run, layer: str) -> pd.DataFrame:
    """Half-width alpha of every channel's grid before and after the search.

    Returns:
        layer, channel, masked, alpha_before (largest magnitude of the base edges), alpha_after (of the edges in use), ratio
        (alpha_after / alpha_before; null where the base has no width), bypass_limit. Sorted by channel.
    """
    grids = channel_grids(run, layer)
    before = np.maximum(grids["base_low"].abs(), grids["base_high"].abs())
    after = np.maximum(grids["low"].abs(), grids["high"].abs())
    return pd.DataFrame(
        dict(
            layer=grids["group"],
            channel=grids["channel"],
            masked=grids["masked"],
            alpha_before=before,
            alpha_after=after,
            ratio=(after / before).where(before > 0),
            bypass_limit=grids["bypass_limit"],
        )
    )
