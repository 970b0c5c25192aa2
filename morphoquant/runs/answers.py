"""Log-likelihood of every choice of an item, after its prompt, in as few rows as the choices allow.

Rows of equal length and equal media share a batch and nothing is ever padded, so what one item gets does not depend on the
others in its batch.
"""

import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from morphoquant.core.errors import BatchError, ModelError
from morphoquant.data.items import Item
from morphoquant.data.sample import Sample
from morphoquant.models.load import LoadedModel
from morphoquant.quant.residence import device_of

Ids = tuple[int, ...]
# (model, questions, batch) -> what is expected after each; see `next_tokens`.
Reads = Callable[[nn.Module, Sequence["Question"], int], list[dict[Ids, Tensor]]]


@dataclass(frozen=True, eq=False)
class Asked:
    """What a model reads before it chooses.

    Attributes:
        prompt: batch of one sequence that ends with the opening of the assistant's turn.
        choices: ids of each choice.
    """

    prompt: Mapping[str, Tensor]
    choices: tuple[Ids, ...]

    @property
    def rows(self) -> list[Ids]:
        """What follows the prompt in each row that is run."""
        return rows_of(self.choices)


@dataclass(frozen=True, eq=False)
class Question(Asked):
    """An item as a model reads it.

    Attributes:
        item: the item.
        control: its media are another item's.
    """

    item: Item
    control: bool = False


def rows_of(choices: Sequence[Ids]) -> list[Ids]:
    """The longest beginnings that the choices share or end with: every token of a choice follows one of them, or a part of it."""
    beginnings = {ids[:length] for ids in choices for length in range(len(ids))}
    return sorted(ids for ids in beginnings if not any(ids == more[: len(ids)] for more in beginnings if len(more) > len(ids)))


@dataclass(frozen=True, eq=False)
class Asker:
    """Makes questions of items for one model; closed sets of answers are tokenised once."""

    loaded: LoadedModel
    known: dict[tuple[str, ...], tuple[Ids, ...]] = field(default_factory=dict)

    def __call__(self, item: Item, control: bool = False) -> Question:
        """The question of an item.

        Raises:
            BatchError: the model does not take the item's media, a part cannot be encoded, or two choices have the same ids.
        """
        check_taken(self.loaded, item.sample)
        choices = self.choices(item)
        return Question(self.loaded.encode([item.sample], answers=False), choices, item, control)

    def choices(self, item: Item) -> tuple[Ids, ...]:
        """Ids of each choice of an item.

        Raises:
            BatchError: two choices have the same ids.
        """
        if item.choices not in self.known:
            self.known[item.choices] = choice_ids(self.loaded, item.choices, item.id)
        return self.known[item.choices]


def check_taken(loaded: LoadedModel, sample: Sample) -> None:
    """Refuses a sample of which the model would leave something out.

    Raises:
        BatchError: the model does not take the sample's media.
    """
    lacking = sorted(sample.modalities - loaded.modalities)
    if lacking:
        takes = ", ".join(sorted(loaded.modalities))
        raise BatchError(f"item {sample.id!r} holds {', '.join(lacking)}, which the model does not take: it takes {takes}.")


def choice_ids(loaded: LoadedModel, choices: Sequence[str], name: str) -> tuple[Ids, ...]:
    """Ids of choices, of the item called `name`, as answers that differ.

    Raises:
        BatchError: two choices have the same ids.
    """
    ids = [tuple(loaded.tokenize(choice)) for choice in choices]
    if any(one != other and one == other[: len(one)] for one in ids for other in ids) and loaded.end_of_turn is not None:
        # "one" also begins "one hundred": only with the end of the turn are they different answers.
        ids = [(*one, loaded.end_of_turn) for one in ids]
    if not all(ids) or len(set(ids)) < len(ids):
        raise BatchError(f"the choices of item {name!r} are not all different to the model's tokenizer: change their words.")
    return tuple(ids)


def ask_all(ask: Callable[[Item], Question], items: Sequence[Item]) -> tuple[list[Question], list[tuple[str, str]]]:
    """Questions, and (identifier, reason) of items that cannot be asked."""
    questions, refused = [], []
    for item in items:
        try:
            questions.append(ask(item))
        except BatchError as error:
            refused.append((item.id, str(error)))
    return questions, refused


def log_likelihoods(
    model: nn.Module, questions: Sequence[Question], batch: int = 1, read: Reads | None = None
) -> list[list[float]]:
    """Log-likelihood of each choice of each question, in nats, summed over the choice's tokens.

    Args:
        model: with a language head; full precision or quantised.
        questions: any.
        batch: rows that may share a forward.
        read: how questions are read; absent: whole, as `next_tokens` does.

    Raises:
        ModelError: the model gives no logits, or values that are not finite.
    """
    expected = (read or next_tokens)(model, questions, batch)
    return [_summed(question, after) for question, after in zip(questions, expected, strict=True)]


def next_tokens(model: nn.Module, questions: Sequence[Asked], batch: int = 1) -> list[dict[Ids, Tensor]]:
    """What the model expects after each question: for every beginning of a choice, log-probabilities of the next token, in nats.

    Args:
        model: with a language head; full precision or quantised.
        questions: any.
        batch: rows that may share a forward.

    Returns:
        For each question, by the ids of the beginning, float64 [vocabulary].

    Raises:
        ModelError: the model gives no logits.
    """
    found: list[dict[Ids, Tensor]] = [{} for _ in questions]
    rows = [(number, ids) for number, question in enumerate(questions) for ids in question.rows]
    for members in batches(rows, questions, batch):
        inputs = joined([_extended(questions[number].prompt, ids) for number, ids in members])
        logits = forward(model, inputs, keep=1 + max(len(ids) for _, ids in members))
        for (number, ids), row in zip(members, logits, strict=True):
            # The last row of logits follows all of `ids`; each one before follows one token less.
            for length in range(len(ids) + 1):
                if ids[:length] not in found[number]:
                    place = row.shape[0] - 1 - (len(ids) - length)
                    found[number][ids[:length]] = torch.log_softmax(row[place].double(), -1)
    return found


@torch.inference_mode()
def forward(model: nn.Module, inputs: Mapping[str, Tensor], keep: int = 0) -> Tensor:
    """Logits [rows, tokens, vocabulary]; of the last `keep` tokens at least, of all for 0.

    Raises:
        ModelError: the model has no language head.
    """
    device = device_of(model)
    accepted = inspect.signature(model.forward).parameters
    more = {"use_cache": False} if "use_cache" in accepted or _takes_any(accepted) else {}
    if keep and "logits_to_keep" in accepted:
        more["logits_to_keep"] = keep
    logits = getattr(model(**{name: value.to(device) for name, value in inputs.items()}, **more), "logits", None)
    if logits is None:
        raise ModelError(f"a {type(model).__name__} gives no logits: choose a model with a language head to evaluate.")
    return logits


def _takes_any(parameters: Mapping[str, inspect.Parameter]) -> bool:
    return any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values())


def _summed(question: Question, after: Mapping[Ids, Tensor]) -> list[float]:
    sums = [sum(after[ids[:place]][token] for place, token in enumerate(ids)).item() for ids in question.choices]
    if not all(map(math.isfinite, sums)):
        raise ModelError(
            f"the model's answers to item {question.item.id!r} are not finite: quantise to more bits, or leave out that item."
        )
    return sums


def batches(rows: list[tuple[int, Ids]], questions: Sequence[Asked], size: int) -> Iterable[list[tuple[int, Ids]]]:
    """Rows whose tensors have equal shapes, at most `size` at a time."""
    alike: dict[tuple, list[tuple[int, Ids]]] = {}
    for number, ids in rows:
        prompt = questions[number].prompt
        length = prompt["input_ids"].shape[1] + len(ids)
        shapes = sorted((name, tuple(value.shape)) for name, value in prompt.items() if not is_sequence(prompt, value))
        alike.setdefault((length, *shapes), []).append((number, ids))
    for members in alike.values():
        for at in range(0, len(members), max(1, size)):
            yield members[at : at + max(1, size)]


def _extended(prompt: Mapping[str, Tensor], ids: Ids) -> dict[str, Tensor]:
    """The prompt with `ids` after it; other tensors of one whole number a token (kinds of tokens) get zeros there."""
    found = dict(prompt)
    for name, value in prompt.items() if ids else ():
        if name == "input_ids":
            tail = torch.tensor([ids], dtype=value.dtype)
        elif is_sequence(prompt, value):
            tail = torch.full((1, len(ids)), name == "attention_mask", dtype=value.dtype)
        else:
            continue
        found[name] = torch.cat([value, tail.to(value.device)], 1)
    return found


def is_sequence(prompt: Mapping[str, Tensor], value: Tensor) -> bool:
    return value.shape == prompt["input_ids"].shape and not value.is_floating_point()


def joined(rows: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """One batch of rows; media stand one after the other, as processors put them."""
    return dict(rows[0]) if len(rows) == 1 else {name: torch.cat([row[name] for row in rows]) for name in rows[0]}
