"""Perplexity of held-out passages, with an interval over the passages, and its ratio to full precision."""

import numpy as np
import pandas as pd

from morphoquant.core.errors import CompareError, StoreError
from morphoquant.queries.evaluations import evaluated, evaluation_labels, is_full_precision, scope_of, side_by_side
from morphoquant.queries.intervals import student_quantile
from morphoquant.store.run import Run


def perplexity(runs: list[Run], *, reference: Run | None = None, captures: bool = False) -> pd.DataFrame:
    """exp of the mean negative log-likelihood of a token.

    Args:
        runs: evaluate runs of one model; those without passages are left out.
        reference: full-precision run that the ratio refers to, absent for the one among `runs`.
        captures: whether runs of different captures may stand side by side.

    Returns:
        run_id, label, method, spec, scope, passages, tokens, nll (nats a token), perplexity, low, high (95 % over the
        passages; null with fewer than two), ratio (perplexity over that of full precision; null without it).
        In the order of `runs`.

    Raises:
        StoreError: none of the runs holds passages.
        CompareError: the runs differ in model, items, seed or scope, or in the passages.
    """
    runs = side_by_side(evaluated(runs), captures)
    reference = reference or next((run for run in runs if is_full_precision(run.plan)), None)
    if reference is not None:
        side_by_side([reference, *runs], captures)
    base = _passages(reference) if reference is not None and reference.has("perplexity") else None
    rows = []
    for run, label in zip(runs, evaluation_labels(runs), strict=True):
        if not run.has("perplexity"):
            continue
        found = _passages(run)
        row = dict(run_id=run.run_id, label=label, method=run.plan.method, spec=run.plan.spec, scope=scope_of(run.plan))
        row |= _rate(found)
        row["ratio"] = np.nan
        if base is not None and run.run_id != reference.run_id:
            if found[["passage", "tokens"]].values.tolist() != base[["passage", "tokens"]].values.tolist():
                raise CompareError(
                    f"evaluations {run.run_id!r} and {reference.run_id!r} differ in the passages: evaluate both anew."
                )
            row["ratio"] = row["perplexity"] / _rate(base)["perplexity"]
        rows.append(row)
    if not rows:
        raise StoreError("none of the chosen evaluations holds passages, so that there is no perplexity: evaluate with passages.")
    return pd.DataFrame(rows)


def _passages(run: Run) -> pd.DataFrame:
    return run.frame("perplexity").sort_values("passage").reset_index(drop=True)


def _rate(found: pd.DataFrame) -> dict:
    """The ratio estimator of nats a token; its standard error counts passages, as tokens of one passage are not independent."""
    tokens, nll, count = found["tokens"].to_numpy(float), found["nll"].to_numpy(float), len(found)
    rate = float(nll.sum() / tokens.sum())
    low = high = np.nan
    if count > 1:
        error = (count / (count - 1) * float(((nll - rate * tokens) ** 2).sum())) ** 0.5 / float(tokens.sum())
        half = student_quantile(count - 1) * error
        low, high = float(np.exp(rate - half)), float(np.exp(rate + half))
    return dict(passages=count, tokens=int(tokens.sum()), nll=rate, perplexity=float(np.exp(rate)), low=low, high=high)
