"""Layer inputs whose channels are the same through the depth: those that read the residual stream, or those of one role."""

from dataclasses import replace

import pandas as pd

from morphoquant.core.errors import StoreError
from morphoquant.core.layers import Component
from morphoquant.core.selection import Selection
from morphoquant.queries.layers import all_layers, groups
from morphoquant.store.run import Run


def through_depth(run: Run, selection: Selection) -> pd.DataFrame:
    """Inputs of one component whose channels can be compared from layer to layer.

    With a role, the inputs of the layers of that role. Without one, those that read the residual stream: inputs of the width that
    most inputs of its blocks have, which several linears share or whose linear has another width at its output. The input of
    `o_proj` is left out, often as wide but of other channels. Without a component the language model is taken if it has any.

    Returns:
        Rows of `queries.layers.groups`.

    Raises:
        StoreError: the run has no such layer, or the residual stream cannot be told.
    """
    found = groups(run, selection)
    if not selection.component:
        present = set(found["component"])
        own = str(Component.LANGUAGE) if Component.LANGUAGE in present else found["component"].iat[0]
        found = groups(run, replace(selection, component=own))
    if selection.role:
        return found
    blocks = found[found["block"].notna()]
    members = all_layers(run).groupby("group").size()
    width = blocks["in_features"].mode().iat[0] if len(blocks) else None
    reads = (blocks["layer"].map(members) > 1) | (blocks["out_features"] != width)
    found = blocks[(blocks["in_features"] == width) & reads].reset_index(drop=True)
    if found.empty:
        roles = ", ".join(dict.fromkeys(groups(run, selection)["role"]))
        raise StoreError(f"which inputs of this part read the residual stream cannot be told: choose a role: {roles}.")
    return found
