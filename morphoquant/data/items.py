"""Items: questions with a closed set of answers, and the control that exchanges their media."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from morphoquant.core.errors import BatchError
from morphoquant.core.evaluation import subject_of
from morphoquant.core.modality import Modality
from morphoquant.data.sample import Part, Sample, fingerprint


@dataclass(frozen=True, eq=False)
class Item:
    """A sample that asks, and the answers to choose from.

    Attributes:
        sample: its answer is one of the choices.
        task: what the item is counted under, such as "spoken-digit".
        choices: two or more, each different.

    Raises:
        BatchError: there are fewer than two choices, one is empty or twice there, or the answer is none of them.
    """

    sample: Sample
    task: str
    choices: tuple[str, ...]

    def __post_init__(self):
        if not self.task.strip():
            raise BatchError(f"item {self.id!r} has no task: name what it is counted under.")
        if any(not isinstance(choice, str) or not choice.strip() for choice in self.choices):
            raise BatchError(f"item {self.id!r} has a choice that is empty or no text: each choice must be words.")
        if len(set(self.choices)) < max(2, len(self.choices)):
            raise BatchError(f"item {self.id!r} has the choices {_listed(self.choices)}: give at least two, none of them twice.")
        if self.sample.answer not in self.choices:
            raise BatchError(
                f"the answer {self.sample.answer!r} of item {self.id!r} is not among its choices {_listed(self.choices)}: "
                "write it exactly as one of them."
            )

    @property
    def id(self) -> str:
        """That of the sample."""
        return self.sample.id

    @property
    def answer(self) -> int:
        """Index of the right choice."""
        return self.choices.index(self.sample.answer)

    @property
    def subject(self) -> str:
        """One of `core.evaluation.SUBJECTS`."""
        return subject_of(self.sample.modalities)


def items_fingerprint(items: Iterable[Item]) -> str:
    """sha256 in hex over every sample, task and list of choices, in order; any change of a byte changes it."""
    digest = hashlib.sha256()
    for item in items:
        digest.update(json.dumps([fingerprint([item.sample]), item.task, item.choices]).encode() + b"\n")
    return digest.hexdigest()


def shuffled(items: Sequence[Item], seed: int) -> list[Item]:
    """The same questions, choices and answers over other items' media: what a model gets right here, it does not see or hear.

    The first picture of an item is exchanged for the first picture of another item of its task, the second for a second one,
    and so on for each modality by itself. No medium stays, and none goes to an item that holds an equal one.

    Args:
        items: of any tasks; identifiers stay as they are.
        seed: of the exchange, 0 or more.

    Returns:
        In the order of `items`, without those that have no media and those that no other item of the task can exchange with.
    """
    given = _exchanged(items, seed)
    found = []
    for number, item in enumerate(items):
        places = _places(item)
        if places and all((number, place) in given for place in places):
            parts = [given.get((number, place), part) for place, part in enumerate(item.sample.parts)]
            found.append(replace(item, sample=replace(item.sample, parts=tuple(parts))))
    return found


def _exchanged(items: Sequence[Item], seed: int) -> dict[tuple[int, int], Part]:
    """By number of the item and place of its part: the part that comes there instead."""
    holders: dict[tuple[str, Modality, int], list[tuple[int, int]]] = defaultdict(list)
    for number, item in enumerate(items):
        met: Counter[Modality] = Counter()
        for place in _places(item):
            modality = item.sample.parts[place].modality
            holders[item.task, modality, met[modality]].append((number, place))
            met[modality] += 1
    given = {}
    for order, key in enumerate(sorted(holders)):
        rng = np.random.default_rng([seed, order])
        holding = [holders[key][at] for at in rng.permutation(len(holders[key]))]
        medium = {held: items[held[0]].sample.parts[held[1]] for held in holding}
        equal = defaultdict(list)
        for held in holding:
            equal[_digest(medium[held])].append(held)
        # Equal media stand together: a turn by the size of the largest group then gives each another group's medium.
        line = [held for group in equal.values() for held in group]
        step = max(map(len, equal.values()))
        for at, held in enumerate(line):
            giver = line[(at + step) % len(line)]
            if _digest(medium[giver]) != _digest(medium[held]):
                given[held] = medium[giver]
    return given


def _places(item: Item) -> list[int]:
    return [place for place, part in enumerate(item.sample.parts) if part.modality is not Modality.TEXT]


def _digest(part: Part) -> bytes:
    return hashlib.sha256(f"{part.value.shape}".encode() + np.ascontiguousarray(part.value).tobytes()).digest()


def _listed(choices: Sequence[str]) -> str:
    return ", ".join(map(repr, choices)) or "(none)"
