"""Closed-set items to train and test connectors on, each with its answer.

A split shares no handwriting and no voice with another: `split` is "train", "calibration" or "evaluation".
Every item depends on nothing but the state of `rng`, a numpy.random.Generator.
"""

from collections.abc import Sequence

import numpy as np

from morphoquant.data import handwriting
from morphoquant.data.speech import digit_clips, speak
from morphoquant.data.words import DIGIT_WORDS, DIRECTIONS

__all__ = [
    "DIGIT_WORDS",
    "DIRECTIONS",
    "digit_image",
    "digit_motion",
    "digit_sequence",
    "digit_video",
    "spoken_digit",
    "two_digits_image",
]


def digit_image(
    rng: np.random.Generator, split: str = "train", *, label: int | None = None, index: int | None = None
) -> tuple[np.ndarray, int]:
    """One handwritten digit, 56 to 108 pixels, anywhere in the picture.

    Args:
        rng: source of every choice.
        split: which handwriting.
        label: the digit wanted, any if absent.
        index: the very item of the 1,797, which overrides `split`.

    Returns:
        uint8 [112, 112, 3] and the digit 0 to 9; the answer is `DIGIT_WORDS[digit]`.
    """
    one = handwriting.stamp(rng, split, int(rng.integers(56, 109)), label=label, index=index)
    return handwriting.picture(rng, [one]), one.label


def two_digits_image(rng: np.random.Generator, split: str = "train") -> tuple[np.ndarray, tuple[int, int]]:
    """Two digits side by side, uint8 [112, 112, 3], and both from left to right."""
    pair = [handwriting.stamp(rng, split, int(rng.integers(46, 57))) for _ in range(2)]
    return handwriting.picture(rng, pair), (pair[0].label, pair[1].label)


def spoken_digit(
    rng: np.random.Generator, split: str = "train", *, label: int | None = None, source: str | None = "synthetic"
) -> tuple[np.ndarray, int]:
    """One spoken digit, about a second.

    Args:
        rng: source of every choice.
        split: which voices: 30 synthetic ones to train, 4 to calibrate, 6 to evaluate.
        label: the digit wanted, any if absent.
        source: "synthetic"; "recorded", a person, for evaluation only; or absent for whatever the split has.

    Returns:
        float32 [samples] at 16 kHz, and the digit 0 to 9; the answer is `DIGIT_WORDS[digit]`.

    Raises:
        BatchError: the split has no such speech.
    """
    spoken = digit_clips(split, source)
    if label is not None:
        spoken = [clip for clip in spoken if clip.words == DIGIT_WORDS[label]]
    clip = spoken[rng.integers(len(spoken))]
    return speak(rng, clip), DIGIT_WORDS.index(clip.words)


def digit_video(
    rng: np.random.Generator, split: str = "train", *, frames: int = 4, label: int | None = None
) -> tuple[np.ndarray, str]:
    """A digit that moves across the picture; the question is which digit.

    Args:
        rng: source of every choice.
        split: which handwriting.
        frames: how many.
        label: the digit wanted, any if absent.

    Returns:
        uint8 [frames, 112, 112, 3] and the digit as a word.
    """
    shown, word, _ = _crossing(rng, split, frames, label=label)
    return shown, word


def digit_motion(
    rng: np.random.Generator, split: str = "train", *, frames: int = 4, direction: str | None = None
) -> tuple[np.ndarray, str]:
    """A digit that moves across the picture; the question is where to.

    Args:
        rng: source of every choice.
        split: which handwriting.
        frames: how many.
        direction: one of `DIRECTIONS`, any if absent.

    Returns:
        uint8 [frames, 112, 112, 3] and one of `DIRECTIONS`.
    """
    shown, _, found = _crossing(rng, split, frames, direction=direction)
    return shown, found


def digit_sequence(
    rng: np.random.Generator, split: str = "train", *, count: int = 2, frames: int = 4, labels: Sequence[int] | None = None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """`count` digits, one after the other.

    Args:
        rng: source of every choice.
        split: which handwriting.
        count: how many digits; ignored where `labels` are given.
        frames: how many, at least one a digit.
        labels: the digits wanted, any if absent.

    Returns:
        uint8 [frames, 112, 112, 3] and the digits as words, in order.
    """
    wanted = labels or [None] * count
    stamps = [handwriting.stamp(rng, split, int(rng.integers(64, 105)), label=label) for label in wanted]
    return handwriting.in_order(rng, stamps, frames), tuple(DIGIT_WORDS[one.label] for one in stamps)


def _crossing(
    rng: np.random.Generator, split: str, frames: int, *, label: int | None = None, direction: str | None = None
) -> tuple[np.ndarray, str, str]:
    one = handwriting.stamp(rng, split, int(rng.integers(48, 77)), label=label)
    direction = direction or str(rng.choice(DIRECTIONS))
    return handwriting.moving(rng, one, direction, frames), DIGIT_WORDS[one.label], direction
