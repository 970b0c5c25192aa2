"""The items of an evaluation, one row each: what was picked, whether it is right, and how far it is from full precision."""

import numpy as np
import pandas as pd

from morphoquant.core.errors import CompareError
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
    frame = run.frame("answers", where={"control": control})
    probabilities = [_normalised(np.asarray(values, float)) for values in frame["log_likelihoods"]]
    picked = np.array([int(values.argmax()) for values in probabilities], dtype=np.int64)
    found = frame[["item", "task", "subject"]].assign(
        chance=[1.0 / len(values) for values in probabilities],
        picked=picked,
        right=picked == frame["answer"].to_numpy(),
        log_probabilities=pd.Series(probabilities, index=frame.index, dtype=object),
    )
    return found.sort_values("item").reset_index(drop=True)


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
    pairs = zip(reference["log_probabilities"], found["log_probabilities"], strict=True)
    kl = [float(np.sum(np.exp(true) * (true - other))) for true, other in pairs]
    return found.assign(kl=np.maximum(kl, 0.0) if kl else [], agree=found["picked"] == reference["picked"])


def same_items(one: pd.DataFrame, other: pd.DataFrame, names: tuple[str, str]) -> None:
    """Raises a CompareError where two frames of `answers` hold different items."""
    if one["item"].tolist() != other["item"].tolist():
        alone = sorted({*one["item"]} ^ {*other["item"]})
        raise CompareError(
            f"evaluations {names[0]!r} and {names[1]!r} do not hold the same items ({len(alone)} are in one of them alone, the "
            f"first is {alone[0] if alone else 'a repeated one'!r}): evaluate both on the same items."
        )


def _normalised(log_likelihoods: np.ndarray) -> np.ndarray:
    shifted = log_likelihoods - log_likelihoods.max()
    return shifted - np.log(np.exp(shifted).sum())
