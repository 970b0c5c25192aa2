"""How many tokens of which modality a run has seen."""

import pandas as pd

from morphoquant.core.selection import Selection
from morphoquant.queries.modalities import ordered, where
from morphoquant.store.run import Run


def tokens_by_modality(run: Run, selection: Selection) -> pd.DataFrame:
    """Tokens of the model's input.

    Returns:
        modality, position, tokens, samples (those that hold such a token), share_percent of all selected tokens.
    """
    frame = run.frame("tokens", where=where(selection))
    frame = frame[frame["count"] > 0]
    counted = frame.groupby(["modality", "position"], sort=False).agg(tokens=("count", "sum"), samples=("sample", "nunique"))
    counted = ordered(counted.reset_index(), selection, "position")
    counted["share_percent"] = 100.0 * counted["tokens"] / counted["tokens"].sum()
    return ordered(counted, selection)
