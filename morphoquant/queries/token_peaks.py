"""The largest value of each kept token of an input: whether a few tokens stand far above the others."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from morphoquant.core.modality import Position
from morphoquant.store.run import Run

COLUMNS = ["layer", "modality", "peak"]


def token_peaks(run: Run, names: Sequence[str]) -> pd.DataFrame:
    """The kept tokens of some inputs, first tokens left out.

    Args:
        run: a capture; one that keeps no tokens has nothing to tell.
        names: inputs wanted, read one after the other so that memory holds one of them.

    Returns:
        A row a token: layer, modality, peak (largest magnitude of its finite values; null where none is finite).
    """
    if not run.has("token_sample"):
        return pd.DataFrame(columns=COLUMNS)
    return pd.concat([pd.DataFrame(columns=COLUMNS), *(_peaks(run, name) for name in names)], ignore_index=True)


def _peaks(run: Run, name: str) -> pd.DataFrame:
    table = run.table("token_sample", ["modality", "values"], {"group": name, "position": str(Position.REST)})
    rows = table["values"].combine_chunks()
    values = np.abs(rows.flatten().to_numpy(zero_copy_only=False))
    starts = np.cumsum([0, *np.asarray(rows.value_lengths())[:-1]]) if len(rows) else []
    peaks = np.fmax.reduceat(np.where(np.isfinite(values), values, np.nan), starts) if len(rows) else []
    modality = table["modality"].cast("string").to_pandas()
    return pd.DataFrame({"layer": name, "modality": modality, "peak": np.asarray(peaks, float)})
