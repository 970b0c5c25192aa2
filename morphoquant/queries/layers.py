"""The layers of a run, in the order of the model, as a selection narrows them."""

import pandas as pd

from morphoquant.core.errors import StoreError, UnknownNameError
from morphoquant.core.layers import short_name
from morphoquant.core.selection import Selection
from morphoquant.queries.once import once
from morphoquant.store.run import Run

PLACE = ["layer", "label", "component", "role", "block", "order"]


@once
def all_layers(run: Run) -> pd.DataFrame:
    """Every linear: layer, group, label (short, unique), component, role, block, in_features, out_features, order."""
    frame = run.frame("layers")
    frame["order"] = range(len(frame))
    labels = frame["layer"].map(short_name)
    twice = labels.duplicated(keep=False)
    frame["label"] = labels.where(~twice, frame["component"] + " " + labels)
    still = frame["label"].duplicated(keep=False)
    frame["label"] = frame["label"].where(~still, frame["layer"])
    frame["block"] = frame["block"].astype("Int64")
    return frame


def layers(run: Run, selection: Selection) -> pd.DataFrame:
    """The linears of the selected component and role.

    Raises:
        StoreError: none is left.
    """
    frame = all_layers(run)
    if selection.component:
        frame = frame[frame["component"] == str(selection.component)]
    if selection.role:
        frame = frame[frame["role"] == selection.role]
    if frame.empty:
        wanted = " ".join(str(part) for part in (selection.component, selection.role) if part)
        raise StoreError(f"run {run.run_id!r} has no layer in {wanted!r}: choose another component or role.")
    return _shortened(frame).reset_index(drop=True)


def _shortened(frame: pd.DataFrame) -> pd.DataFrame:
    """`frame` with labels without the component where those are unique."""
    short = frame["layer"].map(short_name)
    return frame if short.duplicated().any() else frame.assign(label=short)


def groups(run: Run, selection: Selection) -> pd.DataFrame:
    """The shared inputs of the selected layers, one row each, named and placed by their first linear."""
    return _groups(run, selection) if selection.component or selection.role else _all_groups(run)


@once
def _all_groups(run: Run) -> pd.DataFrame:
    return _groups(run, Selection())


def _groups(run: Run, selection: Selection) -> pd.DataFrame:
    everything = all_layers(run)
    wanted = set(layers(run, selection)["group"])
    found = everything[(everything["layer"] == everything["group"]) & everything["group"].isin(wanted)]
    return _shortened(found).reset_index(drop=True)


def group_row(run: Run, layer: str) -> pd.Series:
    """The row of the first linear that shares `layer`'s input.

    Raises:
        UnknownNameError: the run has no such layer.
    """
    frame = all_layers(run).set_index("layer", drop=False)
    if layer not in frame.index:
        raise UnknownNameError("layer", layer, frame.index)
    return frame.loc[frame.loc[layer, "group"]]
