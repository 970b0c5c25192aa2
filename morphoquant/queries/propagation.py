"""How the error of hidden states travels through the model: each block alone, and all blocks accumulated."""

from collections.abc import Iterable

import pandas as pd

from morphoquant.core.errors import StoreError, UnknownNameError
from morphoquant.core.modality import MODALITIES
from morphoquant.core.selection import Selection
from morphoquant.queries.compare import comparable, run_labels
from morphoquant.queries.decibels import sqnr_db
from morphoquant.queries.modalities import ordered, where
from morphoquant.store.run import Run

MEASURE = "python -m morphoquant inspect --method rtn:grid=range morphoquant --spec w4a4"
SOURCES = ("alone", "accumulated")
_PARTS = ("vision", "audio", "connector", "language")  # as the forward passes them
_KEY = ["module", "component", "block", "source", "modality"]
_SUMS = ["tokens", "signal_sq", "error_sq", "cosine_sum"]


def inspected(runs: list[Run]) -> list[Run]:
    """`runs` if all are inspect runs that may stand side by side.

    Raises:
        StoreError: there is none, or one is of another kind.
        CompareError: two differ in more than method, fields and spec.
    """
    other = next((run for run in runs if run.plan.kind != "inspect"), None)
    if other is not None or not runs:
        named = f"run {other.run_id!r} does not look" if other else "no run is chosen that looks"
        raise StoreError(f"{named} inside the model: choose an inspect run, or make one with: {MEASURE}.")
    return comparable(runs)


def no_such(kind: str, number: int, known: Iterable[int]) -> UnknownNameError:
    """The error for a sample, block or head that a run does not hold."""
    return UnknownNameError(kind, str(number), [str(one) for one in sorted(known)])


def propagation(runs: list[Run], selection: Selection) -> pd.DataFrame:
    """Error of the hidden states behind every block and connector, by modality.

    Args:
        runs: inspect runs of one capture and data.
        selection: component, modalities and positions.

    Returns:
        run_id, label_run, module, label, component, block, order (place in the model), source ("alone": the block's input in
        full precision; "accumulated": as the quantised parts before leave it), modality, tokens, sqnr_db (powers pooled over
        tokens; infinite where nothing changes), nmse (error power over signal power), cosine (mean over tokens). By run, order,
        source, modality.

    Raises:
        StoreError: no inspect run, or nothing is left of the selection.
        CompareError: runs of several captures or data.
    """
    runs = inspected(runs)
    parts = [
        _sums(run, selection).assign(run_id=run.run_id, label_run=label, place=place)
        for place, (run, label) in enumerate(zip(runs, run_labels(runs), strict=True))
    ]
    frame = pd.concat(parts, ignore_index=True)
    if selection.component:
        frame = frame[frame["component"] == selection.component]
    if frame.empty:
        raise StoreError(f"these runs have no block for the selection: choose another part of {', '.join(_PARTS)}.")
    modules = frame.drop_duplicates("module")
    modules = modules.assign(part=modules["component"].map(_PARTS.index)).sort_values(["part", "block"], kind="stable")
    frame["order"] = frame["module"].map({name: order for order, name in enumerate(modules["module"])})
    frame["label"] = frame["module"].map({row.module: _label(row) for row in modules.itertuples()})
    frame["sqnr_db"] = sqnr_db(frame["signal_sq"], frame["error_sq"])
    frame["nmse"] = frame["error_sq"] / frame["signal_sq"]
    frame["cosine"] = frame["cosine_sum"] / frame["tokens"]
    frame["rank"] = frame["source"].map(SOURCES.index)
    columns = ["run_id", "label_run", "module", "label", "component", "block", "order", "source", "modality", "tokens"]
    return ordered(frame, selection, "place", "order", "rank")[[*columns, "sqnr_db", "nmse", "cosine"]]


def last_blocks(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame of `propagation` behind the last block of each part, a column a modality, in dB."""
    behind = frame.groupby("component")["order"].transform("max")
    last = frame[(frame["order"] == behind) | (frame["component"] == "connector")]
    wide = last.pivot_table(index=["label_run", "label", "source"], columns="modality", values="sqnr_db", sort=False)
    return (
        wide[[name for name in map(str, MODALITIES) if name in wide.columns]]
        .reset_index()
        .rename(columns={"label_run": "run", "label": "behind"})
    )


def _sums(run: Run, selection: Selection) -> pd.DataFrame:
    frame = run.frame("propagation", where=where(selection))
    frame["block"] = frame["block"].astype("Int64")
    return frame.groupby(_KEY, sort=False, dropna=False)[_SUMS].sum().reset_index()


def _label(row) -> str:
    name = row.module.rpartition(".")[2]
    return f"{row.component} {name if pd.isna(row.block) else int(row.block)}"
