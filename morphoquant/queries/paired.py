"""Two evaluations on the same items: is one better, or is the difference noise?"""

import pandas as pd

from morphoquant.core.errors import CompareError, UnknownNameError
from morphoquant.core.evaluation import SUBJECTS
from morphoquant.queries.answers import answers, same_items
from morphoquant.queries.evaluations import evaluated, is_full_precision, side_by_side
from morphoquant.queries.intervals import LEVEL, exact_mcnemar, holm, paired_difference
from morphoquant.store.run import Run

GROUPINGS = ("task", "subject", "all")
NOISE, DIFFERS = "noise", "differs"


def paired(first: Run, second: Run, by: str = "task") -> pd.DataFrame:
    """Tests whether `second` answers otherwise often right than `first`, item by item.

    Args:
        first: an evaluate run.
        second: another one on the same items; it may be calibrated on other data.
        by: "task", "subject" or "all" (one row for all items together).

    Returns:
        task (only by task), subject ("all" for all items), items, both, first_only, second_only, neither (items right in
        both, in one alone, in none), difference (share right in the second less that in the first), low, high (95 % interval
        of this row alone, Newcombe 1998), p (exact McNemar test), p_holm (raised by Holm's rule over the rows), verdict
        ("differs" where p_holm is below 0.05, else "noise"). In the order of subjects, then of tasks.

    Raises:
        UnknownNameError: another grouping.
        StoreError: a run that is no evaluation.
        CompareError: one run twice, other items, or runs that differ in model, seed or scope.
    """
    if by not in GROUPINGS:
        raise UnknownNameError("grouping", by, GROUPINGS)
    first, second = (evaluated([run])[0] for run in (first, second))
    if first.run_id == second.run_id:
        raise CompareError(f"evaluation {first.run_id!r} is set against itself: choose two evaluations.")
    side_by_side([first, second], captures=True)
    one, other = answers(first), answers(second)
    same_items(one, other, (first.run_id, second.run_id))
    joined = one[["task", "subject"]].assign(first=one["right"], second=other["right"])
    if by == "all":
        joined["subject"] = "all"
    keys = ["task", "subject"] if by == "task" else ["subject"]
    rows = [dict(zip(keys, key, strict=True)) | _tested(part) for key, part in joined.groupby(keys, sort=False)]
    frame = pd.DataFrame(rows)
    rank = frame["subject"].map({name: place for place, name in enumerate(SUBJECTS)})
    frame = frame.assign(_rank=rank).sort_values(["_rank", *keys], kind="stable").drop(columns="_rank").reset_index(drop=True)
    frame["p_holm"] = holm(frame["p"])
    frame["verdict"] = [DIFFERS if p < 1 - LEVEL else NOISE for p in frame["p_holm"]]
    return frame


def baseline_of(run: Run, runs: list[Run]) -> Run | None:
    """What an evaluation is set against by default: plain rounding at its spec, else full precision, else nothing."""
    others = [other for other in runs if other.run_id != run.run_id]
    if is_full_precision(run.plan):
        return None
    rounding = [other for other in others if other.plan.method == "rtn" and other.plan.spec == run.plan.spec]
    same = [other for other in rounding if other.plan.capture == run.plan.capture and run.plan.method != "rtn"]
    return next(iter(same), None) or next((other for other in others if is_full_precision(other.plan)), None)


def verdict_in_words(row) -> str:
    """One sentence on one row of `paired`: how many points, how sure, and whether that is more than noise."""
    name = row.task if hasattr(row, "task") else row.subject
    points = 100.0 * row.difference
    differing = row.first_only + row.second_only
    if not differing:
        return f"{name}: right and wrong on the same {row.items} items; nothing speaks for a difference."
    change = "no change" if not points else f"{abs(points):.1f} points {'better' if points > 0 else 'worse'}"
    span = f"95 % interval {100 * row.low:+.1f} to {100 * row.high:+.1f}"
    chance = f"p = {row.p_holm:.3f}" if row.p_holm >= 0.001 else "p < 0.001"
    end = "more than noise" if row.verdict == DIFFERS else "not to be told from noise"
    return f"{name}: {change} ({span}, {chance}), {differing} of {row.items} items answered otherwise: {end}."


def _tested(part: pd.DataFrame) -> dict:
    first, second = part["first"].to_numpy(bool), part["second"].to_numpy(bool)
    counts = [int(found.sum()) for found in (first & second, first & ~second, ~first & second, ~first & ~second)]
    both, first_only, second_only, neither = counts
    low, high = paired_difference(both, first_only, second_only, neither)
    return dict(
        items=len(part),
        both=both,
        first_only=first_only,
        second_only=second_only,
        neither=neither,
        difference=(second_only - first_only) / len(part),
        low=low,
        high=high,
        p=exact_mcnemar(first_only, second_only),
    )
