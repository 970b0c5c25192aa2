"""What the experts of a mixture saw in a capture."""

import re

import pandas as pd

from morphoquant.core.layers import expert_of
from morphoquant.core.modality import MODALITIES
from morphoquant.queries.inputs import layer_inputs
from morphoquant.store.run import Run


def silent_experts(run: Run, inputs: pd.DataFrame | None = None) -> pd.DataFrame:
    """Experts that saw no token.

    A capture lists all experts that transformers holds in one tensor, and of those that are modules of their own the ones that
    ran. What is missing in a block is told by the numbers that occur in its siblings; an expert that ran in no block of the model
    leaves no trace then, and none is claimed.

    Args:
        run: a capture run.
        inputs: `layer_inputs` of it, where that has been read already.

    Returns:
        For each container of experts, in the order of the model: experts (its path), numbered (experts that its kind has),
        silent (their numbers, as text with spaces between; empty where all ran).
    """
    listed = _listed(run)
    if listed.empty:
        return pd.DataFrame(columns=["experts", "numbered", "silent"])
    seen = listed["group"].isin((layer_inputs(run) if inputs is None else inputs)["layer"])
    kinds = listed.groupby(listed["experts"].map(_kind))["expert"].max() + 1
    rows = []
    for path, part in listed.assign(seen=seen).groupby("experts", sort=False):
        numbered, ran = int(kinds[_kind(path)]), set(part.loc[part["seen"], "expert"])
        rows.append((path, numbered, " ".join(str(number) for number in range(numbered) if number not in ran)))
    return pd.DataFrame(rows, columns=["experts", "numbered", "silent"])


def expert_tokens(run: Run, inputs: pd.DataFrame | None = None) -> pd.DataFrame:
    """Tokens that each expert saw, of all position classes.

    Args:
        run: a capture run.
        inputs: `layer_inputs` of it, where that has been read already.

    Returns:
        For each expert that the capture lists, in the order of the model: experts (path of all of the block), expert (its
        number), all and, of each modality that reached any expert, the tokens; 0 where it saw none.
    """
    # All linears of an expert see the same tokens: the first tells.
    first = _listed(run).drop_duplicates(["experts", "expert"]).reset_index(drop=True)
    inputs = layer_inputs(run) if inputs is None else inputs
    counts = inputs[inputs["layer"].isin(first["group"])].groupby(["layer", "modality"])["tokens"].sum().unstack(fill_value=0)
    counts = counts[[str(one) for one in MODALITIES if str(one) in counts]].reindex(first["group"], fill_value=0)
    counts.insert(0, "all", counts.sum(axis=1))
    return pd.concat([first[["experts", "expert"]], counts.reset_index(drop=True)], axis=1)


def _listed(run: Run) -> pd.DataFrame:
    """The linears of experts: experts, expert, group."""
    pairs = run.frame("layers", ["layer", "group"]).itertuples(index=False)
    rows = [(*place, group) for layer, group in pairs if (place := expert_of(layer)) is not None]
    return pd.DataFrame(rows, columns=["experts", "expert", "group"])


def _kind(path: str) -> str:
    return re.sub(r"\d+", "*", path)
