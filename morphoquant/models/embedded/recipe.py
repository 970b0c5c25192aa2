"""How the connectors are trained: every choice that `train` takes, as its command line, checkpoints and log name it."""

from dataclasses import dataclass

from morphoquant.core.errors import UnknownNameError
from morphoquant.models.embedded.tasks import TASKS, Task


@dataclass(frozen=True)
class Recipe:
    """How connectors are trained.

    Attributes:
        reading: steps of the first stage, without the language model; see `learn_to_read`.
        steps: optimiser steps with the language model.
        batch: turns a step.
        items: media drawn for training, over all pools.
        held_out: media drawn for evaluation, each pool.
        rate: highest learning rate, AdamW.
        decay: weight decay.
        noise: see `Composer.noise`.
        warmup: share of steps in which the rate rises; it falls as a cosine after.
        seed: of everything.
        half: frozen parts compute in bfloat16 while training; what is measured is always in float32.
        tasks: names of TASKS, joined by commas: what is trained and measured.
    """

    reading: int = 1000
    steps: int = 1200
    batch: int = 32
    items: int = 36_000
    held_out: int = 400
    rate: float = 1e-3
    decay: float = 0.05
    noise: float = 0.3
    warmup: float = 0.04
    seed: int = 0
    half: bool = True
    tasks: str = ",".join(TASKS)

    @property
    def asked(self) -> dict[str, Task]:
        """The tasks by name.

        Raises:
            UnknownNameError: there is no such task.
        """
        for name in self.tasks.split(","):
            if name not in TASKS:
                raise UnknownNameError("task", name, TASKS)
        return {name: TASKS[name] for name in self.tasks.split(",")}
