"""The tasks of the embedded model: closed questions over held-out media, drawn by seed.

Item i of a task and seed is the same whatever the count and whatever else is drawn. Answers are balanced: every round of as many
items as there are answers holds each once.
"""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from morphoquant.core.errors import BatchError
from morphoquant.core.modality import Modality
from morphoquant.core.registry import Registry
from morphoquant.data import item_recipes as recipes
from morphoquant.data.facts import facts
from morphoquant.data.item_recipes import SPLIT, ItemRecipe
from morphoquant.data.items import Item
from morphoquant.data.sample import Part, Sample
from morphoquant.data.words import SPLITS

FACT_CHOICES = 4


@dataclass(frozen=True)
class ItemTask:
    """One kind of closed question.

    Attributes:
        name: the task of its items, and the beginning of their identifiers.
        asks: what is asked, for tables and cards.
        draw: (count, seed) -> items; fewer than asked for only where there are no more.
    """

    name: str
    asks: str
    draw: Callable[[int, int], list[Item]]


ITEM_TASKS: Registry[ItemTask] = Registry("task")


def draw_items(tasks: Sequence[str], count: int, seed: int) -> list[Item]:
    """Items of several tasks, one task after the other.

    Args:
        tasks: names; one that is said twice counts once.
        count: items of each task; "text-facts" has no more than there are facts.
        seed: 0 or more; other seeds give other items.

    Raises:
        UnknownNameError: there is no such task.
        BatchError: no task is named, the count or the seed is out of range, or media are missing or damaged.
    """
    if not tasks:
        raise BatchError(f"cannot draw items of no task: name one or more of {', '.join(ITEM_TASKS)}.")
    if count < 1:
        raise BatchError(f"cannot draw {count} items: ask for at least 1 of each task.")
    if seed < 0:
        raise BatchError(f"cannot draw items with seed {seed}: give 0 or a positive whole number.")
    wanted = [ITEM_TASKS[name] for name in dict.fromkeys(tasks)]
    return [item for task in wanted for item in task.draw(count, seed)]


def _balanced(name: str, ways: int, recipe: ItemRecipe) -> Callable[[int, int], list[Item]]:
    def draw(count: int, seed: int) -> list[Item]:
        items = []
        for index in range(count):
            order = _stream(name, seed, 1, index // ways).permutation(ways)
            parts, answer, choices = recipe(_stream(name, seed, 0, index), int(order[index % ways]))
            items.append(Item(Sample(f"{name}/{seed}/{index}", name, parts, answer), name, choices))
        return items

    return draw


def _text_facts(count: int, seed: int) -> list[Item]:
    name, known = "text-facts", facts()
    items = []
    for index, place in enumerate(_stream(name, seed, 1, 0).permutation(len(known))[:count]):
        one, rng = known[place], _stream(name, seed, 0, index)
        wrong = [one.wrong[at] for at in rng.choice(len(one.wrong), FACT_CHOICES - 1, replace=False)]
        choices = tuple((one.answer, *wrong)[at] for at in rng.permutation(FACT_CHOICES))
        sample = Sample(f"{name}/{seed}/{index}", name, (Part(Modality.TEXT, one.question),), one.answer)
        items.append(Item(sample, name, choices))
    return items


def _stream(name: str, seed: int, purpose: int, number: int) -> np.random.Generator:
    # By name and not by place, so that a task added later changes no items of the others.
    return np.random.default_rng([SPLITS.index(SPLIT), seed, zlib.crc32(name.encode()), purpose, number])


def _add(name: str, asks: str, ways: int, recipe: ItemRecipe) -> None:
    ITEM_TASKS.add(name, ItemTask(name, asks, _balanced(name, ways, recipe)))


_add("image-digit", "which handwritten digit a picture shows", 10, recipes.image_digit)
_add("spoken-digit", "which digit a synthetic voice says, one that was not trained on", 10, recipes.spoken_digit)
_add(
    "spoken-digit-human",
    "which digit a person says; ten recordings of one voice, each drawn many times with other loudness, pauses and noise",
    10,
    recipes.spoken_digit_human,
)
_add("video-digit", "which digit moves through a video", 10, recipes.video_digit)
_add("video-motion", "where to the digit in a video moves", 4, recipes.video_motion)
_add("video-order", "which two digits a video shows, in which order", 10, recipes.video_order)
_add("same-digit", "whether a spoken and a written digit are the same", 2, recipes.same_digit)
_add(
    "picture-recording-video",
    "which digit is in one of a picture, a recording and a video that are given together",
    30,
    recipes.picture_recording_video,
)
ITEM_TASKS.add("text-facts", ItemTask("text-facts", "what everyone knows, without media", _text_facts))
