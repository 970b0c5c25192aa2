"""Accuracy on closed-set questions by task or subject, with intervals, chance, and the distance from full precision."""

import pandas as pd

from morphoquant.core.errors import StoreError, UnknownNameError
from morphoquant.core.evaluation import SUBJECTS
from morphoquant.queries.answers import against, answers
from morphoquant.queries.evaluations import evaluated, evaluation_labels, is_full_precision, scope_of, side_by_side
from morphoquant.queries.intervals import student_quantile, wilson
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
    found = [answers(run, control) for run in runs]
    if reference is not None:
        truth = answers(reference, control)
        pairs = [(one, run.run_id, reference.run_id) for one, run in zip(found, runs, strict=True)]
        found = [one if run == full else against(one, truth, (run, full)) for one, run, full in pairs]
    items = _together(found)
    if items.empty:
        kind = "item with exchanged media" if control else "answered item"
        raise StoreError(f"evaluation {runs[0].run_id!r} holds no {kind}: evaluate again, without --no-control.")
    places = ["run", *_keys(by)]
    frame = _scored(items, places)
    exchanged = [] if control else [answers(run, True) for run in runs]
    shuffled = _together(exchanged).groupby(places)["right"].mean() if exchanged else pd.Series(dtype=float)
    frame["shuffled"] = shuffled.reindex(pd.MultiIndex.from_frame(frame[places])).to_numpy(float)
    names = [
        dict(run_id=run.run_id, label=label, method=run.plan.method, spec=run.plan.spec, scope=scope_of(run.plan))
        for run, label in zip(runs, evaluation_labels(runs), strict=True)
    ]
    named = pd.DataFrame(names).astype({"method": object, "spec": object}).loc[frame.pop("run")]
    return named.reset_index(drop=True).join(frame)


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


def _together(found: list[pd.DataFrame]) -> pd.DataFrame:
    """The items of several runs below each other, the place of each run as index "run"; kl and agree null if not measured."""
    columns = ["task", "subject", "chance", "right", "kl", "agree"]
    items = pd.concat([one[one.columns.intersection(columns)] for one in found], keys=range(len(found)), names=["run"])
    return items.reindex(columns=columns).astype({"agree": float})


def _scored(found: pd.DataFrame, places: list[str]) -> pd.DataFrame:
    """A row for each of `places`, the run's first; all of them at once, since a grouping costs more than its sums."""
    table = (
        found.groupby(places, sort=False)
        .agg(
            items=("right", "size"),
            right=("right", "sum"),
            chance=("chance", "mean"),
            kl=("kl", "mean"),
            kl_std=("kl", "std"),
            agreement=("agree", "mean"),
        )
        .reset_index()
    )
    items, right = table["items"].to_numpy(), table["right"].to_numpy()
    table["accuracy"] = right / items
    table["low"], table["high"] = wilson(right, items)
    half = student_quantile((items - 1).clip(1)) * table["kl_std"] / items**0.5
    table["kl_low"], table["kl_high"] = (table["kl"] - half).clip(lower=0.0), table["kl"] + half
    table["agreement_low"], table["agreement_high"] = wilson(table["agreement"] * items, items)
    rank = table["subject"].map({name: place for place, name in enumerate(SUBJECTS)})
    table = table.assign(_rank=rank).sort_values(["run", "_rank", *places[1:]], kind="stable").reset_index(drop=True)
    return table[[*places, "items", "right", "accuracy", "low", "high", "chance", *_DISTANCES]]


_DISTANCES = ("kl", "kl_low", "kl_high", "agreement", "agreement_low", "agreement_high")
