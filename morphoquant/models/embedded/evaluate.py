"""Accuracy of the connectors on held-out items, and the control: the same questions over other items' media."""

from collections.abc import Sequence

import numpy as np
import torch

from morphoquant.models.embedded.compose import Composer
from morphoquant.models.embedded.tasks import TASKS, Turn

TURNS = 1_000
_BATCH = {"cuda": 250, "cpu": 25}


@torch.inference_mode()
def evaluate(
    composer: Composer, seed: int, tasks: Sequence[str] | None = None, turns: int = TURNS
) -> dict[str, dict[str, float]]:
    """Share of answers given word for word.

    Args:
        composer: with features of held-out items.
        seed: of the questions.
        tasks: names of tasks; by default all.
        turns: questions a task; fewer if the pool has fewer items.

    Returns:
        By task: "right" over "questions"; "shuffled", with every medium exchanged for another item's; "chance".
    """
    answers = {name: features.answers for name, features in composer.features.items()}
    found = {}
    for number, name in enumerate(tasks or TASKS):
        task = TASKS[name]
        rng = np.random.default_rng([seed, 2, number])
        asked = [task.make(rng, answers) for _ in range(min(turns, *(len(answers[pool]) for pool in task.pools)))]
        found[name] = {
            "right": _share(composer, asked),
            "shuffled": _share(composer, [_exchanged(turn, rng, answers) for turn in asked]),
            "chance": task.chance,
            "questions": len(asked),
        }
    return found


def _exchanged(turn: Turn, rng: np.random.Generator, answers: dict[str, list[str]]) -> Turn:
    parts = tuple(p if isinstance(p, str) else (p[0], int(rng.integers(len(answers[p[0]])))) for p in turn[0])
    return parts, turn[1]


def _share(composer: Composer, turns: list[Turn]) -> float:
    size = _BATCH.get(composer.model.device.type, 25)
    right = [composer.right(turns[at : at + size]) for at in range(0, len(turns), size)]
    return round(torch.cat(right).float().mean().item(), 4)
