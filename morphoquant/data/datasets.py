"""The demo data sets: balanced mixtures of kinds of samples, drawn by seed.

"demo-calibration" and "demo-evaluation" hold all kinds and share no handwriting, photograph, voice, recording, passage or random
stream. "demo-calibration-text", "-image", "-audio" and "-video" hold samples of the calibration split that have no other medium,
to see what calibration on one modality does to the others. Sample i of a seed is the same whatever the count, so a smaller set is
the beginning of a larger one.
"""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from morphoquant.core.errors import BatchError
from morphoquant.core.modality import Modality
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

# By the only medium of their samples. There are 22 passages and questions in all, so text has a kind that joins two passages.
ONE_MODALITY: dict[Modality, dict[str, Recipe]] = {
    Modality.TEXT: {"text": recipes.text, "text-question": recipes.text_question, "two-texts": recipes.two_texts},
    Modality.IMAGE: {
        name: RECIPES[name] for name in ("image-question", "two-digits", "photograph-question", "image-in-text", "two-images")
    },
    Modality.AUDIO: {name: RECIPES[name] for name in ("audio-question", "audio-dictation", "audio-in-text")},
    Modality.VIDEO: {name: RECIPES[name] for name in ("video-question", "camera-move")},
}


@dataclass(frozen=True, eq=False)
class Mixture:
    """Kinds of samples in equal shares: every run of as many samples as there are kinds holds each once.

    Attributes:
        name: of the data set, the beginning of each sample's identifier.
        split: "calibration" or "evaluation".
        recipes: by kind.
        lead: the kind of the first sample of every run, absent for none.
        stream: whole numbers that keep its random stream apart from those of other mixtures.
    """

    name: str
    split: str
    recipes: Mapping[str, Recipe]
    lead: str | None = None
    stream: tuple[int, ...] = ()

    def __call__(self, count: int, seed: int) -> list[Sample]:
        """`count` samples.

        Args:
            count: how many, at least 1.
            seed: 0 or more; other seeds give other samples.

        Raises:
            BatchError: the count or the seed is out of range, or media are missing or damaged.
        """
        if count < 1:
            raise BatchError(f"cannot draw {count} samples of {self.name!r}: ask for at least 1.")
        if seed < 0:
            raise BatchError(f"cannot draw samples of {self.name!r} with seed {seed}: give 0 or a positive whole number.")
        samples = []
        for index in range(count):
            kind = self._order(seed, index // len(self.recipes))[index % len(self.recipes)]
            parts, answer = self.recipes[kind](self._random(seed, 0, index), self.split)
            samples.append(Sample(f"{self.name}/{seed}/{index}", kind, parts, answer))
        return samples

    def _order(self, seed: int, turn: int) -> list[str]:
        lead = [] if self.lead is None else [self.lead]
        return lead + self._random(seed, 1, turn).permutation([kind for kind in self.recipes if kind not in lead]).tolist()

    def _random(self, seed: int, purpose: int, number: int) -> np.random.Generator:
        return np.random.default_rng([SPLITS.index(self.split), seed, purpose, number, *self.stream])


DATASETS: Registry[Callable[[int, int], list[Sample]]] = Registry("data set")

# The one kind that holds every modality leads, so that the smallest set has them all.
for _split in ("calibration", "evaluation"):
    DATASETS.add(f"demo-{_split}", Mixture(f"demo-{_split}", _split, RECIPES, lead="everything"))
for _modality, _recipes in ONE_MODALITY.items():
    _name = f"demo-calibration-{_modality}"
    DATASETS.add(_name, Mixture(_name, "calibration", _recipes, stream=(zlib.crc32(_name.encode()),)))
