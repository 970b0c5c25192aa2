"""The gradient of a batch of turns: groups of like length, on as many threads as there are, each computing by itself.

On a CPU two threads that share every small operation wait for each other nearly half of the time; two that have a group of turns
each do not. The groups and the order in which their gradients are added do not depend on the threads, so neither does the sum.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import nn

from morphoquant.models.embedded.compose import Composer
from morphoquant.models.embedded.tasks import Turn

_GROUPS = 4


class Gradient:
    """Computes gradients of the mean loss over answer tokens.

    Args:
        composer: what the turns run through.
        weights: what is trained, by name.
    """

    def __init__(self, composer: Composer, weights: Mapping[str, nn.Parameter]):
        self.composer = composer
        self.weights = list(weights.values())
        threads = torch.get_num_threads() if composer.model.device.type == "cpu" else 1
        # How many threads an operation takes is a setting of the thread that starts it.
        self.pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))

    def __call__(self, turns: Sequence[Turn], seed: int) -> tuple[float, float]:
        """Sets `grad` of the weights, None where no turn reaches one.

        Args:
            turns: a batch.
            seed: of the noise.

        Returns:
            The loss, and the share of answer tokens that are right.
        """
        groups = list(enumerate(self.composer.alike(turns, _GROUPS)))
        tokens = sum(map(self.composer.answer_tokens, turns))
        self.composer.prepare()
        # The longest first, so that no thread is left with it at the end.
        found = list(self.pool.map(lambda group: self._part(*group, tokens, seed), reversed(groups)))
        for place, weight in enumerate(self.weights):
            parts = [gradients[place] for _, _, gradients in found if gradients[place] is not None]
            weight.grad = sum(parts) if parts else None
        return sum(loss for loss, _, _ in found), sum(right for _, right, _ in found) / tokens

    def _part(self, place: int, turns: Sequence[Turn], tokens: int, seed: int) -> tuple[float, int, tuple]:
        generator = torch.Generator(self.composer.model.device).manual_seed(seed * _GROUPS + place)
        logits, wanted = self.composer(turns, generator)
        loss = nn.functional.cross_entropy(logits, wanted, reduction="sum") / tokens
        gradients = torch.autograd.grad(loss, self.weights, allow_unused=True)
        return loss.item(), int((logits.argmax(-1) == wanted).sum()), gradients
