"""What the connectors are trained on: pools of media with known content, and closed-set questions over them.

A pool draws one kind of item; a task puts items of pools into a user turn, in the words that the demo data sets use. Media are
encoded once and then combined freely, so the same picture serves many questions.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from morphoquant.core.modality import Modality
from morphoquant.data import questions, training
from morphoquant.data.words import DIGIT_WORDS
from morphoquant.models.embedded.pixels import resized

FRAME_COUNTS = (4, 6, 8)
RECORDED = "recorded"  # beside the splits of the data: the held-out person's voice


@dataclass(frozen=True)
class Pool:
    """Items of one kind.

    Attributes:
        modality: of the items.
        share: of all items that are drawn for training.
        draw: (random stream, split) -> (medium, answer).
    """

    modality: Modality
    share: float
    draw: Callable[[np.random.Generator, str], tuple[np.ndarray, str]]


def _one(rng, split):
    image, label = training.digit_image(rng, split)
    return image, DIGIT_WORDS[label]


def _two(rng, split):
    image, labels = training.two_digits_image(rng, split)
    return image, ", ".join(DIGIT_WORDS[label] for label in labels)


def _spoken(rng, split):
    recorded = split == RECORDED
    sound, label = training.spoken_digit(rng, "evaluation" if recorded else split, source="recorded" if recorded else "synthetic")
    return sound, DIGIT_WORDS[label]


def _frames(rng):
    return int(rng.choice(FRAME_COUNTS))


def _moving(rng, split):
    return training.digit_video(rng, split, frames=_frames(rng))


def _motion(rng, split):
    return training.digit_motion(rng, split, frames=_frames(rng))


def _sequence(rng, split):
    video, words = training.digit_sequence(rng, split, frames=_frames(rng))
    return video, ", ".join(words)


POOLS: dict[str, Pool] = {
    "image": Pool(Modality.IMAGE, 0.34, _one),
    "two-digits": Pool(Modality.IMAGE, 0.19, _two),
    "audio": Pool(Modality.AUDIO, 0.09, _spoken),
    "video": Pool(Modality.VIDEO, 0.12, _moving),
    "motion": Pool(Modality.VIDEO, 0.05, _motion),
    "sequence": Pool(Modality.VIDEO, 0.21, _sequence),
}

# A turn is texts and (pool, index) pairs, and its answer.
Turn = tuple[tuple[str | tuple[str, int], ...], str]
Answers = dict[str, list[str]]


@dataclass(frozen=True)
class Task:
    """One kind of question.

    Attributes:
        asks: what is asked, for the model card.
        weight: share of training items.
        chance: accuracy of guessing.
        pools: the pools whose media the answer depends on.
        make: (random stream, answers by pool) -> turn.
    """

    asks: str
    weight: float
    chance: float
    pools: tuple[str, ...]
    make: Callable[[np.random.Generator, Answers], Turn]


def _asks(pool: str, question: str, *, after: bool = True) -> Callable[[np.random.Generator, Answers], Turn]:
    def make(rng, answers):
        item = (pool, int(rng.integers(len(answers[pool]))))
        return ((item, question) if after else (question, item)), answers[pool][item[1]]

    return make


def _same(rng, answers):
    sound = int(rng.integers(len(answers["audio"])))
    wanted = rng.random() < 0.5
    # Half of the pairs agree, so that neither answer is the better guess. A small pool may hold no such picture.
    for _ in range(200):
        picture = int(rng.integers(len(answers["image"])))
        same = answers["image"][picture] == answers["audio"][sound]
        if same == wanted:
            break
    first, between, last = questions.SAME_DIGIT
    return (first, ("audio", sound), between, ("image", picture), last), "Yes" if same else "No"


def _everything(rng, answers):
    shown = [
        (f"Here is a {name}:", (pool, int(rng.integers(len(answers[pool])))))
        for name, pool in (("picture", "image"), ("recording", "audio"), ("video", "video"))
    ]
    asked = (questions.DIGIT_IN_PICTURE, questions.DIGIT_SPOKEN, questions.DIGIT_IN_VIDEO)
    which = int(rng.integers(3))
    pool, index = shown[which][1]
    order = rng.permutation(3)
    return (*(part for place in order for part in shown[place]), asked[which]), answers[pool][index]


TASKS: dict[str, Task] = {
    "image": Task("which handwritten digit a picture shows", 0.30, 0.1, ("image",), _asks("image", questions.DIGIT_IN_PICTURE)),
    "two-digits": Task(
        "which two digits a picture shows, from left to right",
        0.09,
        0.01,
        ("two-digits",),
        _asks("two-digits", questions.DIGITS_IN_PICTURE, after=False),
    ),
    "audio": Task("which digit is spoken", 0.04, 0.1, ("audio",), _asks("audio", questions.DIGIT_SPOKEN)),
    "video": Task("which digit moves through a video", 0.13, 0.1, ("video",), _asks("video", questions.DIGIT_IN_VIDEO)),
    "motion": Task("where to it moves", 0.05, 0.25, ("motion",), _asks("motion", questions.MOTION_IN_VIDEO)),
    "sequence": Task(
        "which two digits a video shows, one after the other",
        0.13,
        0.01,
        ("sequence",),
        _asks("sequence", questions.DIGITS_IN_VIDEO),
    ),
    "same": Task("whether a spoken and a written digit agree", 0.12, 0.5, ("audio", "image"), _same),
    "everything": Task(
        "about one of a picture, a recording and a video in one turn", 0.14, 0.1, ("image", "audio", "video"), _everything
    ),
}


def draw_item(pool: str, split: str, seed: int, index: int) -> tuple[np.ndarray, str]:
    """Item `index` of a pool: its medium and its answer, the same whatever else is drawn."""
    rng = np.random.default_rng([seed, sorted(POOLS).index(pool), sum(map(ord, split)), index])
    return POOLS[pool].draw(rng, split)


def draw_sized(pool: str, split: str, seed: int, side: int, index: int) -> tuple[np.ndarray, str]:
    """`draw_item` with pictures as uint8 [frames, side, side, 3]; sound as it is."""
    medium, answer = draw_item(pool, split, seed, index)
    if POOLS[pool].modality is Modality.AUDIO:
        return medium, answer
    frames = medium[None] if medium.ndim == 3 else medium
    return np.stack([resized(frame, side) for frame in frames]), answer
