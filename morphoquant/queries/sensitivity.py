"""Which layer groups hurt the answers when they alone are quantised, by subject; and their sum against the whole."""

import numpy as np
import pandas as pd

from morphoquant.core.errors import StoreError
from morphoquant.core.evaluation import SUBJECTS
from morphoquant.core.layers import short_name
from morphoquant.store.run import Run

POOLED = "all"
MEASURE = "python -m morphoquant sensitivity demo --method morphoquant --spec w4a4"
_SUMS = ["items", "kl", "agree", "right", "full_right"]


def sensitivity(run: Run, subjects: tuple[str, ...] = ()) -> pd.DataFrame:
    """Every group quantised alone, the most harmful first.

    Args:
        run: a sensitivity run.
        subjects: those to show and to rank by, empty for all.

    Returns:
        rank (1 is the largest pooled KL), group, label, component, block, role, order (place in the model), subject (with
        "all" for the pooled items where there are several), items, kl (mean nats an item of KL(full precision || quantised)
        over the choices), share (of the sum over groups, same subject), changed (share of items with another choice than full
        precision), accuracy, accuracy_change (shares; accuracy - that of full precision). By rank, then subject.

    Raises:
        StoreError: no sensitivity run, or none of the subjects.
    """
    frame = _rows(run, subjects)
    alone = frame[frame["group"].notna()].copy()
    if alone.empty:
        raise StoreError(f"run {run.run_id!r} holds no group that was quantised alone: {MEASURE}.")
    alone["order"] = alone["group"].map({name: place for place, name in enumerate(dict.fromkeys(alone["group"]))})
    found = _measured(_with_pooled(alone, ["group", "component", "block", "role", "order"]))
    found["label"] = found["group"].map(_labels(found))
    found["share"] = found["kl"] / found.groupby("subject")["kl"].transform("sum").replace(0.0, np.nan)
    key = POOLED if (found["subject"] == POOLED).any() else found["subject"].iat[0]
    ranked = found[found["subject"] == key].sort_values(["kl", "order"], ascending=[False, True])["group"]
    found["rank"] = found["group"].map({group: place for place, group in enumerate(ranked, 1)})
    found = _by_subject(found, "rank")
    columns = ["rank", "group", "label", "component", "block", "role", "order", "subject", "items", "kl", "share", "changed"]
    return found[[*columns, "accuracy", "accuracy_change"]]


def sum_and_whole(run: Run, subjects: tuple[str, ...] = ()) -> pd.DataFrame:
    """Does the harm of single groups add up to that of all together?

    Returns:
        subject (with "all" for the pooled items where there are several), items, groups, sum (of the groups' mean KL, nats),
        whole (mean KL of all groups at once, nats), ratio (whole / sum; null where the sum is zero), accuracy_whole and
        accuracy_full (shares). whole, ratio and accuracy_whole are null where the run has not quantised all at once.

    Raises:
        StoreError: no sensitivity run, or none of the subjects.
    """
    frame = _rows(run, subjects)
    alone, whole = (_measured(_with_pooled(part, [])) for part in (frame[frame["group"].notna()], frame[frame["group"].isna()]))
    count = frame["group"].nunique()
    # `alone` adds items over the groups, so that a mean over them is one group's mean: times the groups is the sum.
    found = alone.assign(sum=alone["kl"] * count, groups=count, items=alone["items"] // max(count, 1))
    found["accuracy_full"] = found["accuracy"] - found["accuracy_change"]
    joined = whole.set_index("subject")
    found["whole"] = found["subject"].map(joined["kl"])
    found["accuracy_whole"] = found["subject"].map(joined["accuracy"])
    found["ratio"] = found["whole"] / found["sum"].replace(0.0, np.nan)
    return _by_subject(found)[["subject", "items", "groups", "sum", "whole", "ratio", "accuracy_whole", "accuracy_full"]]


def ranking_in_words(frame: pd.DataFrame, count: int | None = None) -> pd.DataFrame:
    """The frame of `sensitivity` as people print it: a row a group, a column of KL (nats) a subject."""
    wide = frame.pivot(index="rank", columns="subject", values="kl")
    wide = wide[[name for name in (POOLED, *SUBJECTS) if name in wide.columns]]
    wide.columns = [f"KL {name} (nats)" for name in wide.columns]
    names = frame.drop_duplicates("rank").set_index("rank")[["label", "component"]]
    shown = names.rename(columns={"label": "group"}).join(wide).reset_index()
    return shown if count is None else shown.head(count)


def _rows(run: Run, subjects: tuple[str, ...]) -> pd.DataFrame:
    if run.plan.kind != "sensitivity":
        raise StoreError(f"run {run.run_id!r} is no sensitivity run: choose one, or make one with: {MEASURE}.")
    frame = run.frame("sensitivity")
    frame["block"] = frame["block"].astype("Int64")
    frame = frame[frame["items"] > 0]
    found = frame[frame["subject"].isin(subjects)] if subjects else frame
    if found.empty:
        raise StoreError(f"run {run.run_id!r} holds no item of {', '.join(subjects) or 'any subject'}: choose other subjects.")
    return found


def _with_pooled(frame: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Sums by `keys` and subject, and rows of subject "all" that add the subjects up, where there are several."""
    by_subject = frame.groupby([*keys, "subject"], sort=False, dropna=False)[_SUMS].sum().reset_index()
    if frame["subject"].nunique() < 2:
        return by_subject
    pooled = frame.assign(subject=POOLED).groupby([*keys, "subject"], sort=False, dropna=False)[_SUMS].sum().reset_index()
    return pd.concat([pooled, by_subject], ignore_index=True)


def _measured(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(
        kl=frame["kl"] / frame["items"],
        changed=1.0 - frame["agree"] / frame["items"],
        accuracy=frame["right"] / frame["items"],
        accuracy_change=(frame["right"] - frame["full_right"]) / frame["items"],
    )


def _by_subject(frame: pd.DataFrame, *by: str) -> pd.DataFrame:
    rank = frame["subject"].map({name: place for place, name in enumerate((POOLED, *SUBJECTS))})
    return frame.assign(_rank=rank).sort_values([*by, "_rank"], kind="stable").drop(columns="_rank").reset_index(drop=True)


def _labels(frame: pd.DataFrame) -> dict[str, str]:
    """{group: short name}, with its component in front where two groups would read the same."""
    groups = frame.drop_duplicates("group")
    short = groups["group"].map(short_name)
    twice = short.duplicated(keep=False)
    labels = short.where(~twice, groups["component"] + " " + short)
    labels = labels.where(~labels.duplicated(keep=False), groups["group"])
    return dict(zip(groups["group"], labels, strict=True))
