"""What the stored grids of a run make of rows of a layer input, by the one quantiser."""

import numpy as np
import pandas as pd

from morphoquant.queries.alpha import channel_grids
from morphoquant.queries.own_channels import in_own_channels
from morphoquant.queries.sources import static
from morphoquant.store.run import Run


def quantised_rows(run: Run, layer: str, x: np.ndarray) -> np.ndarray:
    """Rows after the activation quantiser of `run`: on the grid, or as they are where they bypass it.

    Args:
        run: a quantize run.
        layer: any linear; its input is quantised.
        x: rows of that input [n, K].

    Returns:
        float32 [n, K].

    Raises:
        StoreError: the run has no fixed grids of this input, or not in its own channels.
        UnknownNameError: no such layer.
    """
    return rows_on(channel_grids(in_own_channels(static(run)), layer), x)


def rows_on(grids: pd.DataFrame, x: np.ndarray) -> np.ndarray:
    """Rows [n, K] on the grids of their channels, a row of the table `grids` each; large values of masked channels bypass."""
    import torch

    from morphoquant.quant.bypass import Bypass
    from morphoquant.quant.grid import UniformGrid

    rows = torch.from_numpy(x.astype(np.float64))
    step, zero_point = (torch.tensor(grids[name].to_numpy()) for name in ("step", "zero_point"))
    levels = UniformGrid(step, zero_point, int(grids["code_low"].iloc[0]), int(grids["code_high"].iloc[0]))
    limit = torch.tensor(grids["bypass_limit"].fillna(np.inf).to_numpy(float))
    bypass = Bypass(torch.tensor(grids["masked"].to_numpy(bool)), limit)
    return bypass.apply(rows, levels.quantize(rows)).float().numpy()
