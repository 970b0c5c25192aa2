"""Accuracy on closed-set questions by task or subject, with intervals, chance, and the distance from full precision."""

import numpy as np
import pandas as pd

from morphoquant.core.errors import StoreError, UnknownNameError
from morphoquant.core.evaluation import SUBJECTS
from morphoquant.queries.answers import against, answers
from morphoquant.queries.evaluations import evaluated, evaluation_labels, is_full_precision, scope_of, side_by_side
from morphoquant.queries.intervals import mean_interval, wilson
from morphoquant.store.run import Run

GROUPINGS = ("task", "subject")


def accuracy(
    runs: list[Run], by: str = "task", control: bool = False, *, reference: Run | None = None, captures: bool = False
) -> pd.DataFrame:
    """How often each run picks the right choice (the one with the largest log-likelihood), by task or subject.

    Args:
        runs: evaluate runs of one model on the same items.
        by: "task" or "subject".
        control: score the items whose media were exchanged instead.
        reference: full-precision run that kl and agreement refer to, absent for the one among `runs`.
        captures: whether runs of different captures may stand side by side.

    Returns:
        run_id, label, method, spec, scope, task (only by task), subject, items, right, accuracy (share), low, high (Wilson,
        95 %), chance (mean share of a blind guess), kl (mean nats of KL(full precision || run) over the choices), kl_low,
        kl_high (95 %, of the mean), agreement (share of items with full precision's choice), agreement_low, agreement_high
        (Wilson), shuffled (accuracy with the media of other items). What is not measured is null: kl and agreement of the
        full-precision run itself or without one, shuffled without the control or for text alone.
        In the order of `runs`, then of subjects, then of tasks.

    Raises:
        UnknownNameError: another grouping.
        StoreError: no evaluate run, or no such item.
        CompareError: the runs differ in model, items, seed or scope.
    """
    if by not in GROUPINGS:
        raise UnknownNameError("grouping", by, GROUPINGS)
    runs = side_by_side(evaluated(runs), captures)
    reference = reference or next((run for run in runs if is_full_precision(run.plan)), None)
    if reference is not None:
        side_by_side([reference, *runs], captures)
    truth = answers(reference, control) if reference is not None else None
    parts = []
    for run, label in zip(runs, evaluation_labels(runs), strict=True):
        found = answers(run, control)
        measured = truth is not None and run.run_id != reference.run_id
        if measured:
            found = against(found, truth, (run.run_id, reference.run_id))
        table = _scored(found, _keys(by), measured)
        shuffled = None if control else _scored(answers(run, True), _keys(by), False)
        table["shuffled"] = _looked_up(table, shuffled, by)
        names = dict(run_id=run.run_id, label=label, method=run.plan.method, spec=run.plan.spec, scope=scope_of(run.plan))
        parts.append(table.assign(**names)[[*names, *table.columns]])
    frame = pd.concat([part for part in parts if len(part)], ignore_index=True) if any(map(len, parts)) else parts[0]
    if frame.empty:
        kind = "item with exchanged media" if control else "answered item"
        raise StoreError(f"evaluation {runs[0].run_id!r} holds no {kind}: evaluate again, without --no-control.")
    return frame


def rows_in_words(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame of `accuracy` as people print it: percent, points and nats in the titles, intervals in brackets."""
    first = ["task"] if "task" in frame else []
    shown = pd.DataFrame({"method": frame["label"], **{name: frame[name] for name in (*first, "subject")}})
    shown["scope"] = frame["scope"].replace("", "none")
    shown["items"] = frame["items"]
    shown["accuracy (%)"] = 100.0 * frame["accuracy"]
    shown["95 % interval"] = [
        f"{100 * low:.1f} to {100 * high:.1f}" for low, high in zip(frame["low"], frame["high"], strict=True)
    ]
    shown["shuffled (%)"] = 100.0 * frame["shuffled"]
    shown["chance (%)"] = 100.0 * frame["chance"]
    shown["KL (nats)"] = frame["kl"]
    shown["same answer (%)"] = 100.0 * frame["agreement"]
    return shown


def _keys(by: str) -> list[str]:
    return ["task", "subject"] if by == "task" else ["subject"]


def _scored(found: pd.DataFrame, keys: list[str], measured: bool) -> pd.DataFrame:
    rows = []
    for key, part in found.groupby(keys, sort=False):
        items, right = len(part), int(part["right"].sum())
        row = dict(zip(keys, key, strict=True), items=items, right=right, accuracy=right / items)
        row["low"], row["high"] = (float(end) for end in wilson(right, items))
        row["chance"] = float(part["chance"].mean())
        rows.append(row | _distance(part, measured))
    columns = [*keys, "items", "right", "accuracy", "low", "high", "chance", *_DISTANCES]
    table = pd.DataFrame(rows, columns=columns)
    rank = table["subject"].map({name: place for place, name in enumerate(SUBJECTS)})
    return table.assign(_rank=rank).sort_values(["_rank", *keys], kind="stable").drop(columns="_rank").reset_index(drop=True)


_DISTANCES = ("kl", "kl_low", "kl_high", "agreement", "agreement_low", "agreement_high")


def _distance(part: pd.DataFrame, measured: bool) -> dict[str, float]:
    if not measured:
        return dict.fromkeys(_DISTANCES, np.nan)
    agree = int(part["agree"].sum())
    low, high = mean_interval(part["kl"].to_numpy())
    values = [float(part["kl"].mean()), max(low, 0.0) if low == low else low, high, agree / len(part)]
    return dict(zip(_DISTANCES, [*values, *(float(end) for end in wilson(agree, len(part)))], strict=True))


def _looked_up(table: pd.DataFrame, shuffled: pd.DataFrame | None, by: str) -> pd.Series:
    if shuffled is None:
        return pd.Series(np.nan, index=table.index)
    return table[by].map(shuffled.set_index(by)["accuracy"])
