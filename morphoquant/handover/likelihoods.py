"""Likelihoods of given answers, all answers of one item together."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from morphoquant.core.errors import ModelError
from morphoquant.data.sample import Sample
from morphoquant.models.load import LoadedModel
from morphoquant.runs.answers import Asked, check_taken, choice_ids, next_tokens


@dataclass(frozen=True)
class Likelihood:
    """How likely an answer is.

    Attributes:
        log: log-likelihood in nats, summed over the answer's tokens.
        greedy: the answer is what the model would say.
    """

    log: float
    greedy: bool


def likelihoods(loaded: LoadedModel, sample: Sample, answers: Sequence[str], batch: int) -> list[Likelihood]:
    """One for each answer, in order; the same numbers as `evaluate` stores.

    Args:
        loaded: the model, full precision or quantised.
        sample: what is asked.
        answers: that differ; space before them is the chat template's affair and is taken away.
        batch: rows that may share a forward.

    Raises:
        BatchError: the model does not take the sample's media, or two answers are the same to it.
        ModelError: the model gives no logits, or values that are not finite.
    """
    check_taken(loaded, sample)
    choices = choice_ids(loaded, [one.lstrip() for one in answers], sample.id)
    asked = Asked(loaded.encode([sample], answers=False), choices)
    (after,) = next_tokens(loaded.model, [asked], batch)
    found = []
    for ids in choices:
        steps = [(after[ids[:place]], token) for place, token in enumerate(ids)]
        log = sum(expected[token].item() for expected, token in steps)
        if not math.isfinite(log):
            raise ModelError(f"the model's answers to item {sample.id!r} are not finite: quantise to more bits.")
        found.append(Likelihood(log, all(int(expected.argmax()) == token for expected, token in steps)))
    return found
