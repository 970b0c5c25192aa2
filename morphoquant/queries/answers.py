"""The items of an evaluation, one row each: what was picked, whether it is right, and how far it is from full precision."""

import numpy as np
import pandas as pd

from morphoquant.core.errors import CompareError
from morphoquant.queries.once import once
from morphoquant.store.run import Run


def answers(run: Run, control: bool = False) -> pd.DataFrame:
    """The answered items of a run.

    Args:
        run: an evaluate run.
        control: the items asked with the media of others instead.

    Returns:
        item, task, subject, chance (1 / number of choices), picked (index of the most likely choice), right, and
        log_probabilities (float64 [choices], nats, normalised over the choices). Sorted by item; empty if there are none.
    """
    found = _all_answers(run)
    return found[found["control"] == control].drop(columns="control").reset_index(drop=True)


@once
def _all_answers(run: Run) -> pd.DataFrame:
    """`answers` of both kinds, with column control; sorted by item."""
    frame = run.frame("answers").sort_values("item", kind="stable").reset_index(drop=True)
    sizes, starts, values = _flat(frame["log_likelihoods"])
    largest = np.maximum.reduceat(values, starts) if len(starts) else values
    values = values - np.repeat(largest, sizes)
    weights = np.add.reduceat(np.exp(values), starts) if len(starts) else values
    picked = np.array([int(one.argmax()) for one in np.split(values, starts[1:])][: len(frame)], dtype=np.int64)
    probabilities = np.split(values - np.repeat(np.log(weights), sizes), starts[1:])[: len(frame)]
    return frame[["control", "item", "task", "subject"]].assign(
        chance=1.0 / sizes,
        picked=picked,
        right=picked == frame["answer"].to_numpy(),
        log_probabilities=pd.Series(probabilities, index=frame.index, dtype=object),
    )


def against(found: pd.DataFrame, reference: pd.DataFrame, names: tuple[str, str]) -> pd.DataFrame:
    """`found` with columns kl (nats, KL(reference || found) over the choices) and agree (the same choice picked).

    Args:
        found: frame of `answers`.
        reference: that of the full-precision run.
        names: identifiers of the two runs, for the sentence.

    Raises:
        CompareError: the items are not the same.
    """
    same_items(found, reference, names)
    _, starts, true = _flat(reference["log_probabilities"])
    _, _, other = _flat(found["log_probabilities"])
    kl = np.add.reduceat(np.exp(true) * (true - other), starts) if len(starts) else true
    return found.assign(kl=np.maximum(kl, 0.0), agree=found["picked"] == reference["picked"])


def same_items(one: pd.DataFrame, other: pd.DataFrame, names: tuple[str, str]) -> None:
    """Raises a CompareError where two frames of `answers` hold different items."""
    if one["item"].tolist() != other["item"].tolist():
        alone = sorted({*one["item"]} ^ {*other["item"]})
        raise CompareError(
            f"evaluations {names[0]!r} and {names[1]!r} do not hold the same items ({len(alone)} are in one of them alone, the "
            f"first is {alone[0] if alone else 'a repeated one'!r}): evaluate both on the same items."
        )


def _flat(lists: pd.Series) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lengths and starts of lists, none of them empty, and all their values behind each other in float64."""
    sizes = np.array([len(one) for one in lists], dtype=np.int64)
    values = np.concatenate([np.empty(0), *lists])
    return sizes, np.cumsum(sizes) - sizes, values.astype(float)
