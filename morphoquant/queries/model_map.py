"""Every linear of a model with its place in it, and one number each: what a drawing of the model is coloured by."""

import re

import numpy as np
import pandas as pd

from morphoquant.core.errors import StoreError, UnknownNameError
from morphoquant.core.layers import Component, block_path
from morphoquant.core.selection import Selection
from morphoquant.queries.decibels import sqnr_db, summed
from morphoquant.queries.depth import DEPTH_MEASURES, depth_profile
from morphoquant.queries.errors import error_sums
from morphoquant.queries.inputs import layer_inputs
from morphoquant.queries.layers import PLACE, layers
from morphoquant.queries.modalities import ordered, where
from morphoquant.queries.sensitivity import POOLED, sensitivity
from morphoquant.store.run import Run
from morphoquant.store.run_store import RunStore

_MOST_ROWS = 24
_SHAPE = ["group", "in_features", "out_features"]


def placed(frame: pd.DataFrame) -> pd.DataFrame:
    """Adds to linears where a drawing puts them.

    Args:
        frame: layer, component, role, block and order.

    Returns:
        `frame` with part (the numbered container that holds the blocks, such as "model.layers", or what stands outside of
        blocks together) and row (the linear's path within its block, its numbers as "*", so that experts share a row). A part
        with more than 24 different rows has the linears' last names as rows.
    """
    frame = frame.copy()
    inside = frame["layer"].map(block_path).where(frame["block"].notna())
    first = frame["order"].where(inside.notna()).groupby(frame["component"]).transform("min")
    side = pd.Series(np.where(frame["order"] < first.fillna(np.inf), "before", "after"), frame.index)
    parents = pd.Series([_parent(*pair) for pair in zip(frame["layer"], frame["role"], strict=True)], frame.index)
    alone = frame["component"].isin([str(Component.CONNECTOR), str(Component.HEAD)]) | first.isna()
    outside = parents.where(alone, frame["component"] + " " + side)
    frame["part"] = inside.str.rpartition(".")[0].where(inside.notna(), outside)
    rest = [layer[len(path) + 1 :] if isinstance(path, str) else None for layer, path in zip(frame["layer"], inside, strict=True)]
    rows = pd.Series(rest, frame.index, dtype=object).where(inside.notna(), frame["role"])
    starred = rows.map(lambda row: re.sub(r"(?<=\.)\d+(?=\.|$)", "*", row))
    frame["row"] = starred.where(inside.notna(), rows)
    many = frame.groupby("part")["row"].transform("nunique") > _MOST_ROWS
    frame["row"] = frame["row"].where(~many, frame["role"])
    return frame


def _parent(layer: str, role: str) -> str:
    return layer.removesuffix(role).rstrip(".") or layer


def outlier_map(run: Run, selection: Selection, measure: str) -> pd.DataFrame:
    """A measure of each linear's input: of `depth_profile`, or "tokens" (rows of the input seen).

    Args:
        run: a capture run.
        selection: component, role, modalities and positions.
        measure: as said.

    Returns:
        A row for each linear and modality that reached it: layer, label, component, role, block, order, group, in_features,
        out_features, part, row, modality, value, and shown (of the linear: the largest of its modalities, the sum for tokens).
        A linear that no token of the selection reached has one row with null modality, value and shown.

    Raises:
        UnknownNameError: no such measure.
        StoreError: no layer, or no token, is left.
    """
    if measure != "tokens":
        if measure not in DEPTH_MEASURES:
            raise UnknownNameError("measure", measure, [*DEPTH_MEASURES, "tokens"])
        found = depth_profile(run, selection, measure)
        return _of_groups(run, selection, found, "max")
    found = layer_inputs(run)
    for column, values in where(selection).items():
        found = found[found[column].isin(values)]
    found = found.rename(columns={"tokens": "value"}).groupby(["layer", "modality"], sort=False)["value"].sum().reset_index()
    return _of_groups(run, selection, found, "sum")


def error_map(run: Run, selection: Selection, measure: str) -> pd.DataFrame:
    """Output SQNR (dB) of each linear; columns as in `outlier_map`, value is that of the modality.

    Args:
        run: a quantize run.
        selection: component, role, modalities and positions.
        measure: how modalities make the linear's number: "worst_sqnr_db" is the lowest, "pooled_sqnr_db" is of the powers of all.

    Raises:
        UnknownNameError: no such measure.
        StoreError: the run has no such error.
    """
    if measure not in ("worst_sqnr_db", "pooled_sqnr_db"):
        raise UnknownNameError("measure", measure, ["worst_sqnr_db", "pooled_sqnr_db"])
    sums = error_sums(run, selection, "output")
    sums["value"] = sqnr_db(sums["signal_sq"], sums["error_sq"])
    found = sums.loc[sums["value"].notna(), ["layer", "modality", "value"]]
    if measure == "worst_sqnr_db":
        return _joined(placed(layers(run, selection)), found, found.groupby("layer")["value"].min(), "modality", selection)
    pooled = summed(sums, ["layer"], ["signal_sq", "error_sq"]).set_index("layer")
    shown = pd.Series(sqnr_db(pooled["signal_sq"], pooled["error_sq"]), pooled.index)
    return _joined(placed(layers(run, selection)), found, shown, "modality", selection)


def sensitivity_map(store: RunStore, run: Run, selection: Selection) -> pd.DataFrame:
    """KL (nats an item) that each linear's group does alone; columns as in `outlier_map`, with subject for modality.

    Linears that were not quantised are shown if the capture that the run was fitted to is in the store.

    Raises:
        StoreError: no sensitivity run, or nothing of the selection in it.
    """
    ranked = sensitivity(run, selection.subjects).rename(columns={"group": "layer", "kl": "value"})
    several = (ranked["subject"] == POOLED).any()
    shown = (ranked[ranked["subject"] == POOLED] if several else ranked).set_index("layer")["value"]
    try:
        model = layers(store.open(str(run.plan.capture)), selection)
    except UnknownNameError:
        model = ranked.drop_duplicates("layer").sort_values("order").assign(group=lambda rows: rows["layer"])
        model = model.assign(in_features=None, out_features=None)
    model = model[model["component"] == selection.component] if selection.component else model
    found = _each_linear(model, ranked[ranked["subject"] != POOLED])
    return _joined(placed(model), found, model.set_index("layer")["group"].map(shown).dropna(), "subject", selection)


def _of_groups(run: Run, selection: Selection, found: pd.DataFrame, how: str) -> pd.DataFrame:
    model = layers(run, selection)
    found = _each_linear(model, found)
    return _joined(placed(model), found, found.groupby("layer")["value"].agg(how), "modality", selection)


def _each_linear(model: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """What is known of shared inputs, for each linear that receives them."""
    return model[["layer", "group"]].merge(found.rename(columns={"layer": "group"})[_keys(found)], on="group")


def _keys(found: pd.DataFrame) -> list[str]:
    return ["group", "subject" if "subject" in found else "modality", "value"]


def _joined(model: pd.DataFrame, found: pd.DataFrame, shown: pd.Series, series: str, selection: Selection) -> pd.DataFrame:
    columns = [*PLACE, *_SHAPE, "part", "row", series, "value", "shown"]
    frame = model.merge(found[["layer", series, "value"]], on="layer", how="left").assign(
        shown=lambda rows: rows["layer"].map(shown)
    )
    if not frame["shown"].notna().any():
        raise StoreError("nothing of this selection was measured: include more modalities, or another part of the model.")
    if series == "modality":
        return ordered(frame, selection, "order")[columns]
    return frame.sort_values("order", kind="stable")[columns].reset_index(drop=True)
