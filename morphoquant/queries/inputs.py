"""Every layer input at once: tokens, values that are not finite, its widest and its median channel."""

import pandas as pd

from morphoquant.core.selection import Selection
from morphoquant.queries.input_measures import input_measures
from morphoquant.queries.layers import PLACE, groups
from morphoquant.store.run import Run
from morphoquant.store.summary_schema import BOTH

_COLUMNS = ["modality", "position", "tokens", "not_finite", "width", "constant", "absmax", "channel", "median_absmax"]


def layer_inputs(run: Run) -> pd.DataFrame:
    """All inputs of a capture, by modality and position class.

    Args:
        run: a capture run.

    Returns:
        A row for each (input, modality, position) that saw a token: layer, label, component, role, block, order, modality,
        position, tokens, not_finite (values), width (channels with a finite value), constant (those of them that hold one value
        alone, more than once), absmax (largest magnitude), channel (where it stands) and median_absmax (of the channels). The
        last three are null where no value is finite.
    """
    found = input_measures(run)
    found = found[(found["position"] != BOTH) & (found["tokens"] > 0)].merge(groups(run, Selection())[PLACE], on="layer")
    found = found.astype({"channel": "Int64", "absmax": float, "median_absmax": float})
    return found[[*PLACE, *_COLUMNS]].sort_values("order", kind="stable").reset_index(drop=True)
