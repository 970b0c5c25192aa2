"""Where attention moves when a model is quantised: maps of single sequences, and by distance to the nearest other modality."""

import numpy as np
import pandas as pd

from morphoquant.core.errors import StoreError
from morphoquant.core.selection import Selection
from morphoquant.queries.compare import run_labels
from morphoquant.queries.modalities import ordered
from morphoquant.queries.propagation import inspected, no_such
from morphoquant.store.run import Run

_CHOICES = ["sample", "block", "head", "moved", "positions", "modalities"]


def attention_choices(run: Run) -> pd.DataFrame:
    """The maps that a run holds: sample, block, head (null for the mean over heads), moved, positions, modalities (as text).

    Raises:
        StoreError: no inspect run, or the model gave no attention weights.
    """
    frame = _kept(run, "attention").frame("attention", _CHOICES)
    frame["modalities"] = [", ".join(dict.fromkeys(names)) for names in frame["modalities"]]
    return frame.astype({"head": "Int64"})


def attention_pair(run: Run, selection: Selection) -> pd.DataFrame:
    """One attention map in full precision and quantised.

    Args:
        run: an inspect run.
        selection: sample (absent: the one with most modalities), block (absent: where most attention of that sample moves) and
            head (absent: the mean over heads).

    Returns:
        run_id, label_run, sample, block, head, moved (share of the attention that moves), then of each pair of cells that has
        attention: query, query_end, query_modality, key, key_end, key_modality (positions; the end is the last one in the
        cell), full and quantised (largest weight in the cell), change (difference of largest magnitude in the cell).

    Raises:
        StoreError: no inspect run, or the model gave no attention weights.
        UnknownNameError: no such sample, block or head.
    """
    choices = attention_choices(run)
    sample, block = _sample(choices, selection), selection.block
    own = choices[choices["sample"] == sample]
    if block is None:
        means = own[own["head"].isna()]
        block = int(means.loc[means["moved"].idxmax(), "block"])
    elif block not in set(own["block"]):
        raise no_such("block", block, set(own["block"]))
    own = own[own["block"] == block]
    found = own[own["head"].isna() if selection.head is None else (own["head"] == selection.head).fillna(False)]
    if found.empty:
        raise no_such("head", selection.head, own["head"].dropna())
    rows = run.frame("attention", where={"sample": sample, "block": block})
    row = rows[rows["head"].isna() if selection.head is None else rows["head"] == selection.head].iloc[0]
    starts, names = np.asarray(row["cells"]), list(row["modalities"])
    count, ends = len(starts), [*(starts[1:] - 1), row["positions"] - 1]
    query, key = (index.ravel() for index in np.indices((count, count)))
    frame = pd.DataFrame(
        {
            "query": starts[query],
            "query_end": np.take(ends, query),
            "query_modality": np.take(names, query),
            "key": starts[key],
            "key_end": np.take(ends, key),
            "key_modality": np.take(names, key),
            **{name: row[name].astype(float) for name in ("full", "quantised", "change")},
        }
    )
    frame = frame[(frame["full"] > 0) | (frame["quantised"] > 0)]
    facts = {"run_id": run.run_id, "label_run": run_labels([run])[0], "sample": sample, "block": block, "head": selection.head}
    return pd.DataFrame({**facts, "moved": float(row["moved"])}, index=frame.index).join(frame).reset_index(drop=True)


def attention_boundary(runs: list[Run], selection: Selection) -> pd.DataFrame:
    """How much attention moves, by how far the token that attends stands from the nearest token of another modality.

    Special tokens count as a modality of their own; first tokens are left out.

    Args:
        runs: inspect runs of one capture and data.
        selection: block (absent: all that are kept) and modalities.

    Returns:
        run_id, label_run, modality (of the token that attends), distance and distance_to (tokens, both included), rows (tokens
        times heads times blocks), moved (share of the attention that moves, mean), other_full and other_quantised (share of the
        attention that goes to other modalities, the first token left out), other (their difference). By run, modality, distance.

    Raises:
        StoreError: no inspect run, no attention weights, or nothing is left of the selection.
        CompareError: runs of several captures or data.
    """
    parts = []
    runs = inspected(runs)
    for place, (run, label) in enumerate(zip(runs, run_labels(runs), strict=True)):
        frame = _kept(run, "attention_distance").frame("attention_distance")
        if selection.block is not None:
            if selection.block not in set(frame["block"]):
                raise no_such("block", selection.block, set(frame["block"]))
            frame = frame[frame["block"] == selection.block]
        sums = ["rows", "moved", "other_full", "other_quantised"]
        parts.append(
            frame.groupby(["modality", "distance"], observed=True)[sums]
            .sum()
            .reset_index()
            .assign(run_id=run.run_id, label_run=label, place=place)
        )
    frame = pd.concat(parts, ignore_index=True)
    if selection.modalities:
        frame = frame[frame["modality"].isin([str(one) for one in selection.modalities])]
    for name in ("moved", "other_full", "other_quantised"):
        frame[name] = frame[name] / frame["rows"]
    frame["other"] = frame["other_quantised"] - frame["other_full"]
    frame["distance_to"] = 2 * frame["distance"] - 1
    frame = ordered(frame.sort_values("distance", kind="stable"), selection, "place")
    columns = ["run_id", "label_run", "modality", "distance", "distance_to", "rows"]
    return frame[[*columns, "moved", "other_full", "other_quantised", "other"]]


def _kept(run: Run, table: str) -> Run:
    (run,) = inspected([run])
    if not run.has(table):
        raise StoreError(
            f"run {run.run_id!r} holds no attention: its model gives no attention weights, not even with eager attention; "
            "hidden states are there all the same."
        )
    return run


def _sample(choices: pd.DataFrame, selection: Selection) -> int:
    if selection.sample is None:
        held = choices["modalities"].str.count(",")
        return int(choices.assign(held=held).sort_values(["held", "positions"], ascending=False, kind="stable")["sample"].iloc[0])
    if selection.sample not in set(choices["sample"]):
        raise no_such("sample", selection.sample, set(choices["sample"]))
    return selection.sample
