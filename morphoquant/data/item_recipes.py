"""What is asked of a model: each recipe draws one closed question about held-out media, worded as connectors are trained.

A recipe takes a random stream and the number of the answer wanted, so that tasks can ask for all answers equally often.
"""

from collections.abc import Callable

import numpy as np

from morphoquant.core.modality import Modality
from morphoquant.data import questions, training
from morphoquant.data.recipes import FRAME_COUNTS
from morphoquant.data.sample import Part
from morphoquant.data.speech import RECORDED, SYNTHETIC
from morphoquant.data.words import DIGIT_WORDS, DIRECTIONS

SPLIT = "evaluation"  # no writer, voice or photograph of which is in training or calibration
YES_NO = ("Yes", "No")

# Parts, answer, choices.
Asked = tuple[tuple[Part, ...], str, tuple[str, ...]]
ItemRecipe = Callable[[np.random.Generator, int], Asked]


def image_digit(rng: np.random.Generator, wanted: int) -> Asked:
    """A handwritten digit and what it is."""
    return (_digit_picture(rng, wanted), _text(questions.DIGIT_IN_PICTURE)), DIGIT_WORDS[wanted], DIGIT_WORDS


def spoken_digit(rng: np.random.Generator, wanted: int) -> Asked:
    """A digit said by a synthetic voice."""
    return (_digit_sound(rng, wanted, SYNTHETIC), _text(questions.DIGIT_SPOKEN)), DIGIT_WORDS[wanted], DIGIT_WORDS


def spoken_digit_human(rng: np.random.Generator, wanted: int) -> Asked:
    """A digit said by a person; there is one recording of each."""
    return (_digit_sound(rng, wanted, RECORDED), _text(questions.DIGIT_SPOKEN)), DIGIT_WORDS[wanted], DIGIT_WORDS


def video_digit(rng: np.random.Generator, wanted: int) -> Asked:
    """A digit that crosses the picture, and what it is."""
    return (_digit_video(rng, wanted), _text(questions.DIGIT_IN_VIDEO)), DIGIT_WORDS[wanted], DIGIT_WORDS


def video_motion(rng: np.random.Generator, wanted: int) -> Asked:
    """A digit that crosses the picture, and where to."""
    video, direction = training.digit_motion(rng, SPLIT, frames=_frames(rng), direction=DIRECTIONS[wanted])
    return (Part(Modality.VIDEO, video), _text(questions.MOTION_IN_VIDEO)), direction, DIRECTIONS


def video_order(rng: np.random.Generator, wanted: int) -> Asked:
    """Two different digits one after the other; the choices are both orders, and both with one digit exchanged for a third.

    One digit is in all four choices and two others in two each, in front as often as behind: nothing but the video tells which
    choice is right, and no single frame does.
    """
    others = [label for label in range(10) if label != wanted]
    second, third = (int(label) for label in rng.choice(others, 2, replace=False))
    video, words = training.digit_sequence(rng, SPLIT, frames=_frames(rng), labels=(wanted, second))
    # Either of the two shown is the one that stays.
    kept, gone = (wanted, second) if rng.random() < 0.5 else (second, wanted)
    pairs = [(kept, gone), (gone, kept), (kept, third), (third, kept)]
    choices = tuple(", ".join(DIGIT_WORDS[label] for label in pairs[at]) for at in rng.permutation(len(pairs)))
    return (Part(Modality.VIDEO, video), _text(questions.DIGITS_IN_VIDEO)), ", ".join(words), choices


def same_digit(rng: np.random.Generator, wanted: int) -> Asked:
    """A spoken digit and a written one, and whether they are the same."""
    said = int(rng.integers(10))
    written = said if YES_NO[wanted] == "Yes" else int((said + rng.integers(1, 10)) % 10)
    first, between, last = map(_text, questions.SAME_DIGIT)
    parts = first, _digit_sound(rng, said, SYNTHETIC), between, _digit_picture(rng, written), last
    return parts, YES_NO[wanted], YES_NO


def picture_recording_video(rng: np.random.Generator, wanted: int) -> Asked:
    """Three different digits, one in a picture, one in a recording and one in a video, in any order; one of them is asked for."""
    label, which = wanted % 10, wanted // 10
    others = [int(other) for other in rng.choice([other for other in range(10) if other != label], 2, replace=False)]
    labels = [label if place == which else others.pop() for place in range(3)]
    shown = [
        (_text("Here is a picture:"), _digit_picture(rng, labels[0])),
        (_text("Here is a recording:"), _digit_sound(rng, labels[1], SYNTHETIC)),
        (_text("Here is a video:"), _digit_video(rng, labels[2])),
    ]
    question = (questions.DIGIT_IN_PICTURE, questions.DIGIT_SPOKEN, questions.DIGIT_IN_VIDEO)[which]
    parts = [part for at in rng.permutation(3) for part in shown[at]]
    return (*parts, _text(question)), DIGIT_WORDS[label], DIGIT_WORDS


def _digit_picture(rng: np.random.Generator, label: int) -> Part:
    return Part(Modality.IMAGE, training.digit_image(rng, SPLIT, label=label)[0])


def _digit_sound(rng: np.random.Generator, label: int, source: str) -> Part:
    return Part(Modality.AUDIO, training.spoken_digit(rng, SPLIT, label=label, source=source)[0])


def _digit_video(rng: np.random.Generator, label: int) -> Part:
    return Part(Modality.VIDEO, training.digit_video(rng, SPLIT, frames=_frames(rng), label=label)[0])


def _frames(rng: np.random.Generator) -> int:
    return int(rng.choice(FRAME_COUNTS))


def _text(value: str) -> Part:
    return Part(Modality.TEXT, value)
