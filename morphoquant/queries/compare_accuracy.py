"""How often compared methods answer right: evaluations of the same method, fields, spec and capture, beside their errors."""

import pandas as pd

from morphoquant.core.evaluation import SUBJECTS
from morphoquant.queries.accuracy import accuracy
from morphoquant.queries.evaluations import calibration_cells, differing_field, full_precision_of
from morphoquant.store.run import Run
from morphoquant.store.run_store import RunStore

_VALUES = ["items", "accuracy", "low", "high", "kl", "agreement"]


def compare_accuracy(store: RunStore, runs: list[Run]) -> pd.DataFrame:
    """Accuracy of quantize runs by subject.

    The evaluations are those of the newest items, seed and scope that any of the runs was evaluated with; the scope may be
    another than that of the errors and is told.

    Args:
        store: holds the evaluations.
        runs: quantize runs that may be compared.

    Returns:
        run_id, evaluation (its run_id), scope, subject, items, accuracy, low, high (shares, Wilson 95 %), kl (mean nats to full
        precision), agreement (share); kl and agreement are null without the full-precision run. Empty if nothing was evaluated.
        In the order of `runs`, then of subjects.
    """
    wanted = {_key(run): run for run in runs}
    entries = store.entries()
    headers = [entry.header for entry in entries if entry.header and entry.header.status == "finished"]
    cells = calibration_cells(entries)
    plans = [
        (header.run_id, header.plan)
        for header in headers
        if header.plan.kind == "evaluate" and header.plan.model == runs[0].plan.model and _key(header) in wanted
    ]
    plans.sort(key=lambda one: one[0] in cells)
    family = {_key_of(plan): store.open(name) for name, plan in reversed(plans) if differing_field(plans[0][1], plan) is None}
    found = [(run, family[_key(run)]) for run in runs if _key(run) in family]
    columns = ["run_id", "evaluation", "scope", "subject", *_VALUES]
    if not found:
        return pd.DataFrame(columns=columns)
    reference = full_precision_of(store, found[0][1])
    frame = accuracy([evaluation for _, evaluation in found], "subject", reference=reference)
    frame = frame.rename(columns={"run_id": "evaluation"})
    frame["run_id"] = frame["evaluation"].map({evaluation.run_id: run.run_id for run, evaluation in found})
    return frame[columns]


def accuracy_columns(found: pd.DataFrame) -> pd.DataFrame:
    """The frame of `compare_accuracy` as people print it: a row a run, a column a subject with the scope in its name, percent."""
    if found.empty:
        return pd.DataFrame(index=pd.Index([], name="run_id"))
    wide = (100.0 * found.set_index(["run_id", "subject"])["accuracy"]).unstack("subject")
    subjects = [name for name in SUBJECTS if name in wide.columns]
    scope = found["scope"].iat[0]
    return wide[subjects].rename(columns={name: f"{name} (accuracy, {scope}, %)" for name in subjects})


def joined(compared: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """The frame of `compare_methods` with columns accuracy_items, accuracy, accuracy_low, accuracy_high, accuracy_kl,
    accuracy_agreement and accuracy_scope; a subject that is no modality ("cross-modal") gets rows of its own."""
    if found.empty:
        return compared
    names = {"items": "accuracy_items", "low": "accuracy_low", "high": "accuracy_high", "kl": "accuracy_kl"}
    names |= {"agreement": "accuracy_agreement", "scope": "accuracy_scope", "subject": "modality"}
    more = found.drop(columns="evaluation").rename(columns=names)
    of_the_run = ["method", "fields", "spec", "label"]
    merged = compared.drop(columns=of_the_run).merge(more, on=["run_id", "modality"], how="outer")
    merged = merged.merge(compared[["run_id", *of_the_run]].drop_duplicates(), on="run_id")
    order = {name: place for place, name in enumerate(compared["run_id"].unique())}
    rank = {name: place for place, name in enumerate([*dict.fromkeys([*compared["modality"], *SUBJECTS])])}
    merged = merged.assign(_run=merged["run_id"].map(order), _rank=merged["modality"].map(rank))
    merged = merged.sort_values(["_run", "_rank"], kind="stable").reset_index(drop=True)
    whole = {name: "Int64" for name in ("layers", "accuracy_items")}
    return merged.astype(whole)[[*compared.columns, *(name for name in more.columns if name not in compared.columns)]]


def _key(run) -> tuple:
    return _key_of(run.plan)


def _key_of(plan) -> tuple:
    return plan.method, repr(sorted(plan.fields.items())), plan.spec, plan.capture
