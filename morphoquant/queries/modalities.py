"""Modalities and positions of a selection, as filters and as an order of rows."""

from typing import Any

import numpy as np
import pandas as pd

from morphoquant.core.errors import StoreError
from morphoquant.core.modality import MODALITIES
from morphoquant.core.selection import Selection


def where(selection: Selection) -> dict[str, Any]:
    """The filter on the columns modality and position that `selection` stands for.

    Raises:
        StoreError: no position class is included.
    """
    if not selection.positions:
        raise StoreError("no position class is chosen: include the first tokens, the rest, or both.")
    found: dict[str, Any] = {"position": [str(position) for position in selection.positions]}
    if selection.modalities:
        found["modality"] = [str(modality) for modality in selection.modalities]
    return found


def ordered(frame: pd.DataFrame, selection: Selection, *by: str) -> pd.DataFrame:
    """`frame` sorted by the columns `by`, then by modality in the order of the selection, else of all legends.

    Raises:
        StoreError: the frame is empty, so that there is nothing to show.
    """
    if frame.empty:
        raise StoreError("no token matches the selection: include more modalities, or both position classes.")
    order = [str(modality) for modality in (selection.modalities or MODALITIES)]
    # Each name is looked up once and not each row: there may be a hundred thousand.
    code, names = pd.factorize(frame["modality"])
    place = [order.index(name) if name in order else len(order) for name in names]
    return (
        frame.assign(_rank=np.array([*place, len(order)])[code])
        .sort_values([*by, "_rank"], kind="stable")
        .drop(columns="_rank")
        .reset_index(drop=True)
    )
