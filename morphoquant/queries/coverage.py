"""Which modalities reached which parts of a model in a capture."""

import pandas as pd

from morphoquant.core.layers import Component
from morphoquant.core.modality import CONTENT
from morphoquant.queries.inputs import layer_inputs
from morphoquant.store.run import Run

# The decoder is meant to see every modality; a tower has its own.
_MEETS_ALL = (str(Component.LANGUAGE),)


def coverage(run: Run, inputs: pd.DataFrame | None = None) -> pd.DataFrame:
    """How far each content modality reached.

    Args:
        run: a capture run.
        inputs: `layer_inputs` of it, where that has been read already.

    Returns:
        For each part of the model, in its order, and each content modality that reached it or should have (every one the
        language model): component, modality, inputs (of the part; of connectors, those of the ones that it enters), reached
        (how many of them saw a token), tokens (most that an input saw) and least (fewest, 0 where one saw none). Position
        classes are added up.
    """
    inputs = layer_inputs(run) if inputs is None else inputs
    frame = run.frame("layers")
    groups = frame[frame["layer"] == frame["group"]]
    seen = inputs.groupby(["component", "layer", "modality"], sort=False)["tokens"].sum().reset_index()
    rows = []
    for component, names in groups.groupby("component", sort=False)["layer"]:
        for modality in map(str, CONTENT):
            own = seen[(seen["component"] == component) & (seen["modality"] == modality)]
            if len(own) or component in _MEETS_ALL:
                total = _meant(component, set(names), set(own["layer"]))
                most, fewest = (int(own["tokens"].agg(how)) if len(own) else 0 for how in ("max", "min"))
                rows.append((component, modality, total, len(own), most, fewest if len(own) == total else 0))
    return pd.DataFrame(rows, columns=["component", "modality", "inputs", "reached", "tokens", "least"])


def _meant(component: str, groups: set[str], reached: set[str]) -> int:
    """How many of a part's inputs a modality should reach: all, but of the connectors only those that it enters."""
    if component != str(Component.CONNECTOR):
        return len(groups)
    entered = {group.rpartition(".")[0] for group in reached}
    return sum(group.rpartition(".")[0] in entered for group in groups)
