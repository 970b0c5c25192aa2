"""A first stage of training without the language model: connectors learn to give tokens that a small reader can answer from.

A reader attends to the tokens of an item once for each word of its answer and compares what it gathered with the language model's
own embeddings of the words, so that a spoken seven comes to look like the word "seven", which the language model can read. It
costs a hundredth of a pass through the language model: the features of handwriting, voices and movement are found here. A
reader's accuracy on held-out items tells what the tokens hold, whatever the language model makes of it.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy, layer_norm, normalize
from torch.nn.utils.rnn import pad_sequence

from morphoquant.models.embedded.compose import Composer
from morphoquant.models.embedded.features import Features

_SHARPNESS = 20.0  # cosines to logits


class Reader(nn.Module):
    """Reads the words of an answer from the tokens of an item, by their likeness to the language model's own words.

    Args:
        answers: all answers of a pool, words joined by ", "; as many words in each.
        embed: (word, place in the answer) -> the language model's embedding of it [channels].
    """

    def __init__(self, answers: list[str], embed: Callable[[str, int], torch.Tensor]):
        super().__init__()
        words = list(zip(*(answer.split(", ") for answer in answers), strict=True))
        self.words = [{word: at for at, word in enumerate(sorted(set(of_slot)))} for of_slot in words]
        self.targets = [
            normalize(torch.stack([embed(word, place) for word in of_slot]).float(), dim=-1)
            for place, of_slot in enumerate(self.words)
        ]
        self.query = nn.Linear(self.targets[0].shape[-1], len(words), bias=False)

    def forward(self, tokens: torch.Tensor, real: torch.Tensor) -> list[torch.Tensor]:
        """[items, tokens, channels] and which of them are real [items, tokens] -> for each word cosines [items, choices]."""
        tokens = layer_norm(tokens.float(), tokens.shape[-1:])
        scores = self.query(tokens).masked_fill(~real[..., None], -torch.inf)
        gathered = torch.einsum("its,itc->sic", scores.softmax(1).float(), tokens)
        return [normalize(of_word, dim=-1) @ target.T for target, of_word in zip(self.targets, gathered, strict=True)]

    def wanted(self, answers: list[str], device: torch.device) -> list[torch.Tensor]:
        """For each word the index of the right choice [items]."""
        words = zip(*(answer.split(", ") for answer in answers), strict=True)
        return [torch.tensor([of[w] for w in word], device=device) for of, word in zip(self.words, words, strict=True)]


def learn_to_read(
    composer: Composer,
    held_out: Composer,
    weights: dict[str, nn.Parameter],
    *,
    steps: int,
    batch: int,
    rate: float,
    decay: float,
    seed: int,
    say: Callable[[dict], None],
) -> dict[str, float]:
    """Trains connectors and one reader a pool; returns the readers' accuracy on held-out items by pool.

    Args:
        composer: with features to train on.
        held_out: with features of items never trained on, of the same model.
        weights: of the connectors, trained in place.
        steps: optimiser steps; each sees every pool.
        batch: items of each pool a step.
        rate: highest learning rate; it falls as a cosine.
        decay: weight decay.
        seed: of everything.
        say: told the accuracy now and then.
    """
    device = composer.model.device
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        readers = nn.ModuleDict(
            {n: Reader(pool.answers + held_out.features[n].answers, composer.embed) for n, pool in composer.features.items()}
        ).to(device)
    learnt = [*weights.values(), *readers.parameters()]
    optimiser = torch.optim.AdamW(learnt, lr=rate, betas=(0.9, 0.98), weight_decay=decay)
    pace = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps + 1, pct_start=0.1)
    for step in range(steps):
        rng = np.random.default_rng([seed, 3, step])
        generator = torch.Generator(device).manual_seed(seed * 1_000_003 + step)
        loss = torch.zeros((), device=device)
        for name, reader in readers.items():
            items = rng.integers(len(composer.features[name].answers), size=batch).tolist()
            for found, right in _read(composer, name, reader, items, generator):
                near = found.gather(1, right[:, None]).mean()
                loss = loss + cross_entropy(_SHARPNESS * found, right) + 1 - near
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learnt, 1.0)
        optimiser.step()
        pace.step()
        if (step + 1) % 100 == 0 or step == steps - 1:
            say({"reading": step + 1, "loss": round(loss.item(), 4), "held_out": _accuracies(held_out, readers)})
    return _accuracies(held_out, readers)


def _read(composer: Composer, name: str, reader: Reader, items: list[int], generator=None):
    pool: Features = composer.features[name]
    with torch.autocast(composer.model.device.type, torch.bfloat16):
        tokens = composer.project(pool.modality, [pool.item(item) for item in items], generator)
    lengths = [(pool.starts[item + 1] - pool.starts[item]) * pool.rows.shape[1] for item in items]
    padded = pad_sequence(list(tokens.split(lengths)), batch_first=True)
    real = torch.arange(padded.shape[1], device=padded.device) < torch.tensor(lengths, device=padded.device)[:, None]
    answers = [pool.answers[item] for item in items]
    return zip(reader(padded, real), reader.wanted(answers, padded.device), strict=True)


@torch.inference_mode()
def _accuracies(composer: Composer, readers: nn.ModuleDict) -> dict[str, float]:
    """Share of items of which every word is read right."""
    found = {}
    for name, reader in readers.items():
        count = len(composer.features[name].answers)
        right = torch.stack([f.argmax(-1) == wanted for f, wanted in _read(composer, name, reader, list(range(count)))])
        found[name] = round(right.all(0).float().mean().item(), 4)
    return found
