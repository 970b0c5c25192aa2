"""The demo data sets: balanced mixtures of all kinds of samples, drawn by seed.

"demo-calibration" and "demo-evaluation" share no handwriting, photograph, voice, recording, passage or random stream.
Sample i of a seed is the same whatever the count, so a smaller set is the beginning of a larger one.
"""

from collections.abc import Callable

import numpy as np

from morphoquant.core.errors import BatchError
from morphoquant.core.registry import Registry
from morphoquant.data import recipes
from morphoquant.data.recipes import Recipe
from morphoquant.data.sample import Sample
from morphoquant.data.words import SPLITS

RECIPES: dict[str, Recipe] = {
    "everything": recipes.everything,
    "everything-in-text": recipes.everything_in_text,
    "text": recipes.text,
    "text-question": recipes.text_question,
    "image-question": recipes.image_question,
    "two-digits": recipes.two_digits,
    "photograph-question": recipes.photograph_question,
    "image-in-text": recipes.image_in_text,
    "two-images": recipes.two_images,
    "audio-question": recipes.audio_question,
    "audio-dictation": recipes.audio_dictation,
    "audio-in-text": recipes.audio_in_text,
    "audio-and-image": recipes.audio_and_image,
    "video-question": recipes.video_question,
    "camera-move": recipes.camera_move,
}

DATASETS: Registry[Callable[[int, int], list[Sample]]] = Registry("data set")


def draw(name: str, split: str, count: int, seed: int) -> list[Sample]:
    """`count` samples of a split; every run of 15 holds each kind once, and the first sample holds all four modalities.

    Args:
        name: of the data set, the beginning of each sample's identifier.
        split: "calibration" or "evaluation".
        count: how many, at least 1.
        seed: 0 or more; other seeds give other samples.

    Raises:
        BatchError: the count or the seed is out of range, or media are missing or damaged.
    """
    if count < 1:
        raise BatchError(f"cannot draw {count} samples of {name!r}: ask for at least 1.")
    if seed < 0:
        raise BatchError(f"cannot draw samples of {name!r} with seed {seed}: give 0 or a positive whole number.")
    samples = []
    for index in range(count):
        kind = _kinds(split, seed, index // len(RECIPES))[index % len(RECIPES)]
        parts, answer = RECIPES[kind](_stream(split, seed, 0, index), split)
        samples.append(Sample(f"{name}/{seed}/{index}", kind, parts, answer))
    return samples


def calibration(count: int, seed: int) -> list[Sample]:
    """Samples to capture statistics from and to fit methods to."""
    return draw("demo-calibration", "calibration", count, seed)


def evaluation(count: int, seed: int) -> list[Sample]:
    """Samples to measure errors on, none of whose media are in calibration."""
    return draw("demo-evaluation", "evaluation", count, seed)


def _kinds(split: str, seed: int, turn: int) -> list[str]:
    # The one kind that holds every modality leads, so that the smallest set has them all.
    lead, *others = RECIPES
    return [lead, *_stream(split, seed, 1, turn).permutation(others).tolist()]


def _stream(split: str, seed: int, purpose: int, number: int) -> np.random.Generator:
    return np.random.default_rng([SPLITS.index(split), seed, purpose, number])


DATASETS.add("demo-calibration", calibration)
DATASETS.add("demo-evaluation", evaluation)
