"""The calibration matrix: what a method answers on each subject, by the data that it was calibrated on."""

import pandas as pd

from morphoquant.core.errors import StoreError
from morphoquant.core.evaluation import SUBJECTS
from morphoquant.queries.accuracy import accuracy
from morphoquant.queries.evaluations import (
    ALL,
    calibration_of,
    evaluated,
    evaluation_labels,
    full_precision_of,
    is_full_precision,
    side_by_side,
)
from morphoquant.queries.paired import paired
from morphoquant.store.run import Run
from morphoquant.store.run_store import RunStore

_ORDER = {name: place for place, name in enumerate((*SUBJECTS, ALL))}


def calibration_matrix(store: RunStore, runs: list[Run]) -> pd.DataFrame:
    """Accuracy by calibration set and subject, for each method and spec.

    Args:
        store: holds the captures and the full-precision run.
        runs: quantised evaluations on the same items; a full-precision one among them is taken as the reference.

    Returns:
        run_id, label (method, fields and spec), method, spec, scope, calibration ("text", "image", "audio", "video", "all",
        or the name of other data), subject, items, accuracy, low, high (shares, Wilson 95 %), full (accuracy in full
        precision), difference (accuracy - full), kl (mean nats to full precision), agreement (share), chance; the three that
        refer to full precision are null without such a run. to_all, to_all_p, verdict: the difference to the same method
        calibrated on all, its p value (exact McNemar, Holm over the subjects) and "noise" or "differs"; null in the row "all"
        and where there is none. Rows in the order of labels, calibration sets (text to video, others, all) and subjects.

    Raises:
        StoreError: no quantised evaluation, or a capture is not in the store.
        CompareError: the runs differ in more than method, spec and capture.
    """
    runs = side_by_side(evaluated(runs), captures=True)
    reference = next((run for run in runs if is_full_precision(run.plan)), None)
    runs = [run for run in runs if not is_full_precision(run.plan)]
    if not runs:
        raise StoreError(f"no quantised evaluation is chosen, and calibration is of those alone; {CALIBRATE}")
    reference = reference or full_precision_of(store, runs[0])
    names = {run.run_id: calibration_of(store, run) for run in runs}
    labels = _labels(runs)
    frame = accuracy(runs, "subject", reference=reference, captures=True)
    frame["label"] = frame["run_id"].map(labels)
    frame["calibration"] = frame["run_id"].map(names)
    frame["full"] = float("nan")
    if reference is not None:
        full = accuracy([reference], "subject").set_index("subject")["accuracy"]
        frame["full"] = frame["subject"].map(full)
    frame["difference"] = frame["accuracy"] - frame["full"]
    frame = frame.merge(_against_all(runs, names, labels), on=["run_id", "subject"], how="left")
    order = {label: place for place, label in enumerate(dict.fromkeys(labels.values()))}
    ranks = dict(_label=frame["label"].map(order), _set=frame["calibration"].map(_ORDER).fillna(_ORDER[ALL] - 0.5))
    ranks["_subject"] = frame["subject"].map(_ORDER)
    frame = frame.assign(**ranks).sort_values([*ranks], kind="stable").reset_index(drop=True)
    columns = ["run_id", "label", "method", "spec", "scope", "calibration", "subject", "items", "accuracy", "low", "high", "full"]
    return frame[[*columns, "difference", "kl", "agreement", "chance", "to_all", "to_all_p", "verdict"]]


CALIBRATE = (
    "make the matrix with: python -m morphoquant evaluate demo --method morphoquant --spec w4a4 "
    "--calibrate-on text image audio video all."
)


def matrix_table(frame: pd.DataFrame) -> pd.DataFrame:
    """The matrix as people print it: a row for each method and calibration set, a column a subject, accuracy in percent."""
    keys = ["label", "calibration"]
    wide = (100.0 * frame.set_index([*keys, "subject"])["accuracy"]).unstack("subject")
    subjects = [name for name in SUBJECTS if name in wide.columns]
    wide = wide.reindex(index=pd.MultiIndex.from_frame(frame[keys].drop_duplicates()), columns=subjects)
    wide.columns = [f"{name} (%)" for name in subjects]
    return wide.reset_index().rename(columns={"label": "method", "calibration": "calibrated on"})


def _labels(runs: list[Run]) -> dict[str, str]:
    """{run_id: label}; runs that differ in their capture alone share one."""
    kinds = {(run.plan.method, repr(sorted(run.plan.fields.items())), run.plan.spec): run for run in runs}
    names = dict(zip(kinds, evaluation_labels([*kinds.values()]), strict=True))
    return {run.run_id: names[run.plan.method, repr(sorted(run.plan.fields.items())), run.plan.spec] for run in runs}


def _against_all(runs: list[Run], names: dict[str, str | None], labels: dict[str, str]) -> pd.DataFrame:
    parts = [pd.DataFrame(columns=["run_id", "subject", "to_all", "to_all_p", "verdict"])]
    for run in runs:
        base = next((one for one in runs if names[one.run_id] == ALL and labels[one.run_id] == labels[run.run_id]), None)
        if base is None or base.run_id == run.run_id:
            continue
        tested = paired(base, run, "subject").rename(columns={"difference": "to_all", "p_holm": "to_all_p"})
        parts.append(tested.assign(run_id=run.run_id)[parts[0].columns])
    return parts[0] if len(parts) == 1 else pd.concat(parts[1:], ignore_index=True)
