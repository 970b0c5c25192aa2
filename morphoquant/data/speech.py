"""Spoken clips: chosen by split and speaker, and varied in speed, loudness and noise."""

from functools import cache

import numpy as np

from morphoquant.core.errors import BatchError
from morphoquant.data.media import Clip, clips, utterance
from morphoquant.data.sample import SAMPLE_RATE
from morphoquant.data.words import DIGIT_WORDS

SYNTHETIC, RECORDED = "synthetic", "recorded"


@cache
def choices(split: str, source: str | None = None) -> tuple[Clip, ...]:
    """Clips of a split, of one source ("synthetic", "recorded") or of both."""
    return tuple(clip for clip in clips() if clip.split == split and source in (None, clip.file.removesuffix(".flac")))


@cache
def digit_clips(split: str, source: str | None = None) -> tuple[Clip, ...]:
    """Clips of a split that say a digit from zero to nine.

    Raises:
        BatchError: there are none.
    """
    found = tuple(clip for clip in choices(split, source) if clip.words in DIGIT_WORDS)
    if not found:
        raise BatchError(
            f"there are no {source} spoken digits for {split}: recorded ones exist for evaluation only, take synthetic ones."
        )
    return found


def vary(rng: np.random.Generator, audio: np.ndarray, speed: float = 0.1) -> np.ndarray:
    """Plays faster or slower by up to `speed` (pitch moves along), sets loudness, adds pauses and a noise floor.

    Args:
        rng: source of every choice.
        audio: float32 [samples], 16 kHz.
        speed: largest relative change.

    Returns:
        float32 [samples], 16 kHz, peak 0.15 to 0.8, with 0.05 to 0.3 s before and after, noise 25 to 50 dB below the speech.
    """
    pace = 1 + rng.uniform(-speed, speed)
    times = np.arange(0, len(audio) - 1, pace)
    played = np.interp(times, np.arange(len(audio)), audio)
    before, after = rng.integers(SAMPLE_RATE // 20, 3 * SAMPLE_RATE // 10, 2)
    played = np.pad(played * (rng.uniform(0.15, 0.8) / np.abs(played).max()), (before, after))
    level = np.sqrt(np.mean(np.square(played))) * 10 ** (-rng.uniform(25, 50) / 20)
    return (played + rng.normal(0, level, len(played))).astype(np.float32)


def speak(rng: np.random.Generator, clip: Clip) -> np.ndarray:
    """The sound of a clip, varied; a person's recording keeps its speed."""
    return vary(rng, utterance(clip), speed=0.1 if clip.file.startswith(SYNTHETIC) else 0.0)
