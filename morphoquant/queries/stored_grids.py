"""What the stored grids of a run make of rows of a layer input, by the one quantiser."""

import numpy as np
import pandas as pd

from morphoquant.core.errors import StoreError
from morphoquant.queries.alpha import channel_grids
from morphoquant.store.run import Run

# Methods whose grids stand in the input's own channels; all others may scale, shift, reorder or mix them first, and the stored
# grids are then of channels that the capture does not hold. A test holds the names to what the methods say of themselves.
OWN_CHANNELS = ("rtn", "dabc", "mdqfo", "morphoquant", "gptq", "llm_int8", "zeroquant", "easyquant", "qvlm")


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
    changing = [name for name in str(run.plan.method).split("+") if name not in OWN_CHANNELS]
    if run.has("grids") and changing:
        raise StoreError(
            f"run {run.run_id!r} may round other channels than those of the input, since {changing[0]} can scale, reorder or mix "
            f"them first: choose a run of {', '.join(OWN_CHANNELS)}."
        )
    return rows_on(channel_grids(run, layer), x)


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
