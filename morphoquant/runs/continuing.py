"""Reading a prompt once: all prompts of a model open alike, and all choices of an item follow the same prompt.

What the model read of the opening is kept while others go on from it, and what it read of a prompt while its choices do. That
is right only for a model whose cache can be gone on from with media; so each kind of question is first read in full precision
both ways, and where the two differ it is read whole ever after.
"""

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DynamicCache

from morphoquant.core.errors import ModelError
from morphoquant.core.modality import Modality
from morphoquant.data.sample import Part, Sample
from morphoquant.models.load import LoadedModel
from morphoquant.quant.residence import device_of
from morphoquant.runs.answers import Ids, Question, batches, is_sequence, joined, next_tokens

_DIFFERENCE = 1e-3  # nats, of a choice's likelihood in float32
# What models raise where they cannot go on from a cache with such inputs.
_REFUSALS = (ModelError, TypeError, ValueError, RuntimeError, IndexError, AttributeError)
Kind = frozenset[Modality]


@dataclass(frozen=True, eq=False)
class Reader:
    """Reads questions in as few tokens as it can; called as `next_tokens` is.

    Attributes:
        opening: ids that every prompt of the model opens with.
        continues: by the media of a question, whether going on gives what reading it whole does.
    """

    opening: Ids
    continues: dict[Kind, bool] = field(default_factory=dict)

    @classmethod
    def of(cls, loaded: LoadedModel) -> "Reader":
        """The reader of a model."""
        one, other = (_text_ids(loaded, word) for word in ("a", "b"))
        alike = [first == second for first, second in zip(one, other, strict=False)]
        return cls(one[: alike.index(False)] if False in alike else ())

    def learn(self, model: nn.Module, questions: Sequence[Question]) -> None:
        """Finds out about the kinds of questions that it has not met.

        Args:
            model: in full precision; nothing is gone on from unless its weights are float32, in which rounding is small.
            questions: any.
        """
        for question in questions:
            kind = question.item.sample.modalities
            if kind not in self.continues:
                self.continues[kind] = next(model.parameters()).dtype == torch.float32 and self._agrees(model, question)

    def __call__(self, model: nn.Module, questions: Sequence[Question], batch: int = 1) -> list[dict[Ids, Tensor]]:
        """What the model expects after each question; see `next_tokens`."""
        found: list[dict[Ids, Tensor]] = [{} for _ in questions]
        for method, places in self._split(questions):
            for place, one in zip(places, method(model, [questions[at] for at in places], batch), strict=True):
                found[place] = one
        return found

    def _split(self, questions: Sequence[Question]) -> Iterable[tuple[Any, list[int]]]:
        goes_on = [self.continues.get(one.item.sample.modalities, False) and self._opens(one) for one in questions]
        for method, wanted in ((self._going_on, True), (next_tokens, False)):
            if places := [place for place, found in enumerate(goes_on) if found is wanted]:
                yield method, places

    def _opens(self, question: Question) -> bool:
        return tuple(question.prompt["input_ids"][0, : len(self.opening)].tolist()) == self.opening

    def _agrees(self, model: nn.Module, question: Question) -> bool:
        if not self.opening or not self._opens(question):
            return False
        (whole,) = next_tokens(model, [question])
        try:
            (found,) = self._going_on(model, [question], 1)
        except _REFUSALS:
            return False
        tokens = {ids[:at]: ids[at] for ids in question.choices for at in range(len(ids))}
        return all(abs(float(whole[ids][token] - found[ids][token])) < _DIFFERENCE for ids, token in tokens.items())

    def _going_on(self, model: nn.Module, questions: Sequence[Question], batch: int) -> list[dict[Ids, Tensor]]:
        found: list[dict[Ids, Tensor]] = [{} for _ in questions]
        ids = torch.tensor([self.opening])
        _, opening = _read(model, {"input_ids": ids, "attention_mask": torch.ones_like(ids)}, DynamicCache())
        for members in batches([(number, ()) for number in range(len(questions))], questions, batch):
            prompts = [questions[number].prompt for number, _ in members]
            cache = copy.deepcopy(opening)
            cache.batch_repeat_interleave(len(members))
            last, cache = _read(model, _after(joined(prompts), len(self.opening)), cache)
            for (number, _), row in zip(members, last, strict=True):
                found[number][()] = torch.log_softmax(row[-1].double(), -1)
            self._choices(model, [(number, questions[number]) for number, _ in members], cache, found)
        return found

    def _choices(self, model: nn.Module, members, cache: DynamicCache, found: list[dict[Ids, Tensor]]) -> None:
        """Reads on into the choices of questions whose prompts are the rows of `cache`."""
        rows = [(place, number, ids) for place, (number, question) in enumerate(members) for ids in question.rows if ids]
        for length in sorted({len(ids) for *_, ids in rows}):
            some = [row for row in rows if len(row[2]) == length]
            begun = copy.deepcopy(cache)
            begun.batch_select_indices(torch.tensor([place for place, *_ in some], device=begun.layers[0].keys.device))
            ids = torch.tensor([ids for *_, ids in some])
            mask = torch.ones(len(some), begun.get_seq_length() + length, dtype=torch.long)
            logits, _ = _read(model, {"input_ids": ids, "attention_mask": mask}, begun, keep=length)
            for (_, number, ids), row in zip(some, logits, strict=True):
                for at in range(1, length + 1):
                    found[number].setdefault(ids[:at], torch.log_softmax(row[at - 1 - length].double(), -1))


def _text_ids(loaded: LoadedModel, word: str) -> Ids:
    sample = Sample(word, "opening", (Part(Modality.TEXT, word),))
    return tuple(loaded.encode([sample], answers=False)["input_ids"][0].tolist())


def _after(inputs: Mapping[str, Tensor], read: int) -> dict[str, Tensor]:
    """What is left of a batch of which so many tokens are read; the mask is of all tokens."""
    return {
        name: value[:, read:] if is_sequence(inputs, value) and name != "attention_mask" else value
        for name, value in inputs.items()
    }


@torch.inference_mode()
def _read(model: nn.Module, inputs: Mapping[str, Tensor], cache: DynamicCache, keep: int = 1) -> tuple[Tensor, DynamicCache]:
    """Logits of the last `keep` tokens at least, and the cache with all that is read."""
    device = device_of(model)
    given = {name: value.to(device) for name, value in inputs.items()}
    output = model(**given, past_key_values=cache, use_cache=True, logits_to_keep=keep)
    return output.logits, output.past_key_values
