"""Greedy answers in words."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import StoppingCriteria, StoppingCriteriaList

from morphoquant.core.errors import BatchError, ModelError
from morphoquant.data.sample import Sample
from morphoquant.models.load import LoadedModel
from morphoquant.runs.answers import check_taken

# lmms-eval fills this in, its space between few-shot examples, for every task that names no text to stop at. As its own models
# do, it is passed over: it would cut off whoever thinks in paragraphs.
_FILLED_IN = "\n\n"


@dataclass(frozen=True)
class Wanted:
    """How far an answer goes.

    Attributes:
        until: texts that end it and are not part of it.
        max_new_tokens: at most.
        others: words of the task that ask for something else than the likeliest token at every step.
    """

    until: tuple[str, ...]
    max_new_tokens: int
    others: tuple[str, ...] = ()

    @classmethod
    def read(cls, words: Mapping[str, Any] | None, max_new_tokens: int) -> "Wanted":
        """From a task's generation_kwargs; `max_new_tokens` where they do not say.

        Raises:
            BatchError: the number of tokens is none.
        """
        words = words or {}
        until = words.get("until") or ()
        most = words.get("max_new_tokens") or words.get("max_gen_toks") or max_new_tokens
        if not str(most).isdecimal() or int(most) < 1:
            raise BatchError(f"the task wants {most!r} new tokens: give a whole number of at least 1 with --gen_kwargs.")
        greedy = {"temperature": 0, "do_sample": False, "num_beams": 1}
        others = tuple(f"{name}={words[name]}" for name, value in greedy.items() if words.get(name, value) not in (value, None))
        ends = (until,) if isinstance(until, str) else until
        return cls(tuple(end for end in ends if end and end != _FILLED_IN), int(most), others)


@dataclass(frozen=True)
class Answer:
    """What a model said.

    Attributes:
        text: without what ended it.
        read: tokens of the prompt.
        written: tokens generated.
    """

    text: str
    read: int
    written: int


def answer(loaded: LoadedModel, sample: Sample, wanted: Wanted) -> Answer:
    """The likeliest token at every step, until the end of the turn, a text of `wanted`, or its number of tokens.

    Raises:
        BatchError: the model does not take the sample's media, or they cannot be encoded.
        ModelError: the model cannot generate.
    """
    model, tokenizer = loaded.model, loaded.answering.tokenizer
    can = getattr(model, "can_generate", None)
    if can is None or not can():
        raise ModelError(f"a {type(model).__name__} cannot generate: choose a model with a language head.")
    check_taken(loaded, sample)
    device = next(model.parameters()).device
    prompt = {name: value.to(device) for name, value in loaded.encode([sample], answers=False).items()}
    start = prompt["input_ids"].shape[1]
    ends = sorted({*_listed(model.generation_config.eos_token_id), *_listed(loaded.end_of_turn)})

    def said(ids: torch.Tensor) -> str:
        return tokenizer.decode(ids[start:], skip_special_tokens=True)

    ids = model.generate(
        **prompt,
        max_new_tokens=wanted.max_new_tokens,
        do_sample=False,
        num_beams=1,
        temperature=None,
        top_p=None,
        top_k=None,
        eos_token_id=ends or None,
        pad_token_id=ends[0] if tokenizer.pad_token_id is None and ends else tokenizer.pad_token_id,
        stopping_criteria=StoppingCriteriaList([_Said(said, wanted.until)] if wanted.until else []),
    )[0]
    return Answer(_cut(said(ids), wanted.until), start, len(ids) - start)


class _Said(StoppingCriteria):
    """Ends a generation as soon as one of some texts stands in it."""

    def __init__(self, said: Callable[[torch.Tensor], str], until: Sequence[str]):
        self.said, self.until = said, until

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_) -> torch.Tensor:
        found = [any(end in self.said(row) for end in self.until) for row in input_ids]
        return torch.tensor(found, device=input_ids.device)


def _cut(text: str, until: Sequence[str]) -> str:
    return text[: min((text.index(end) for end in until if end in text), default=len(text))]


def _listed(ids: int | Sequence[int] | None) -> list[int]:
    return [] if ids is None else [ids] if isinstance(ids, int) else list(ids)
