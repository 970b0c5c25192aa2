"""The kinds of samples: each recipe draws one from a random stream and a split, and says what the answer is."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from morphoquant.core.modality import Modality
from morphoquant.data import camera, questions, training
from morphoquant.data.media import Clip, Passage, passages
from morphoquant.data.sample import Part
from morphoquant.data.speech import choices, speak
from morphoquant.data.words import DIGIT_WORDS

Drawn = tuple[tuple[Part, ...], str | None]
Recipe = Callable[[np.random.Generator, str], Drawn]
FRAME_COUNTS = (4, 6, 8)


def text(rng: np.random.Generator, split: str) -> Drawn:
    """A passage and a question about it."""
    one = _passage(rng, split)
    return (_text(f"{one.text}\n\n{one.question}"),), one.answer


def two_texts(rng: np.random.Generator, split: str) -> Drawn:
    """Two passages, and a question about the first."""
    one = other = _passage(rng, split)
    while other.title == one.title:
        other = _passage(rng, split)
    return (_text(f"{one.text}\n\n{other.text}\n\n{one.question}"),), one.answer


def text_question(rng: np.random.Generator, split: str) -> Drawn:
    """A short question alone."""
    known = [one for one in passages() if one.split == split and not one.text]
    one = known[rng.integers(len(known))]
    return (_text(one.question),), one.answer


def image_question(rng: np.random.Generator, split: str) -> Drawn:
    """A digit and what it is."""
    image, label = training.digit_image(rng, split)
    return (_image(image), _text(questions.DIGIT_IN_PICTURE)), DIGIT_WORDS[label]


def two_digits(rng: np.random.Generator, split: str) -> Drawn:
    """Two digits in one picture."""
    image, labels = training.two_digits_image(rng, split)
    return (_text(questions.DIGITS_IN_PICTURE), _image(image)), _listed(DIGIT_WORDS[label] for label in labels)


def photograph_question(rng: np.random.Generator, split: str) -> Drawn:
    """A photograph and what it shows."""
    image, shows = _photograph(rng, split)
    return (_image(image), _text(questions.PHOTOGRAPH)), shows


def image_in_text(rng: np.random.Generator, split: str) -> Drawn:
    """A photograph between two sentences of a passage."""
    one = _passage(rng, split)
    head, tail = _halves(rng, one.text)
    image, _ = _photograph(rng, split)
    return (_text(head), _image(image), _text(f"{tail}\n\n{one.question}")), one.answer


def two_images(rng: np.random.Generator, split: str) -> Drawn:
    """A photograph and a digit, in either order, and what the digit is."""
    image, _ = _photograph(rng, split)
    digit, label = training.digit_image(rng, split)
    first, second = (image, digit) if rng.random() < 0.5 else (digit, image)
    parts = _text("The first picture:"), _image(first), _text("The second picture:"), _image(second)
    return (*parts, _text("One of the two pictures shows a digit. What digit is it?")), DIGIT_WORDS[label]


def audio_question(rng: np.random.Generator, split: str) -> Drawn:
    """A spoken digit and what it is."""
    sound, label = training.spoken_digit(rng, split, source=None)
    return (_audio(sound), _text(questions.DIGIT_SPOKEN)), DIGIT_WORDS[label]


def audio_dictation(rng: np.random.Generator, split: str) -> Drawn:
    """Something said by a person or a machine, and its words."""
    clip = _clip(rng, split)
    return (_text(questions.WORDS_SPOKEN), _audio(speak(rng, clip))), clip.words


def audio_in_text(rng: np.random.Generator, split: str) -> Drawn:
    """A passage with a voice in the middle, no image."""
    one = _passage(rng, split)
    head, tail = _halves(rng, one.text)
    return (_text(head), _audio(speak(rng, _clip(rng, split))), _text(f"{tail}\n\n{one.question}")), one.answer


def audio_and_image(rng: np.random.Generator, split: str) -> Drawn:
    """A spoken digit and a written one, equal half of the time."""
    sound, said = training.spoken_digit(rng, split, source=None)
    same = rng.random() < 0.5
    label = said if same else int((said + rng.integers(1, 10)) % 10)
    image, written = training.digit_image(rng, split, label=label)
    first, between, last = map(_text, questions.SAME_DIGIT)
    return (first, _audio(sound), between, _image(image), last), "Yes" if said == written else "No"


def video_question(rng: np.random.Generator, split: str) -> Drawn:
    """A moving digit: which it is, where it goes, or which digits follow one another."""
    frames = _frames(rng)
    asked = rng.integers(3)
    if asked == 0:
        video, answer = training.digit_video(rng, split, frames=frames)
        return (_video(video), _text(questions.DIGIT_IN_VIDEO)), answer
    if asked == 1:
        video, answer = training.digit_motion(rng, split, frames=frames)
        return (_video(video), _text(questions.MOTION_IN_VIDEO)), answer
    video, words = training.digit_sequence(rng, split, frames=frames)
    return (_video(video), _text(questions.DIGITS_IN_VIDEO)), _listed(words)


def camera_move(rng: np.random.Generator, split: str) -> Drawn:
    """A pan or zoom over a photograph."""
    video, shows = _camera(rng, split)
    return (_text(questions.CAMERA), _video(video)), shows


def everything(rng: np.random.Generator, split: str) -> Drawn:
    """A picture, a recording and a video of digits, and a question about one of the three."""
    image, written = training.digit_image(rng, split)
    sound, said = training.spoken_digit(rng, split, source=None)
    video, moving = training.digit_video(rng, split, frames=_frames(rng))
    asked = (
        (questions.DIGIT_IN_PICTURE, DIGIT_WORDS[written]),
        (questions.DIGIT_SPOKEN, DIGIT_WORDS[said]),
        (questions.DIGIT_IN_VIDEO, moving),
    )
    question, answer = asked[rng.integers(3)]
    shown = [(_text("Here is a picture:"), _image(image)), (_text("Here is a recording:"), _audio(sound))]
    shown.append((_text("Here is a video:"), _video(video)))
    rng.shuffle(shown)
    return (*(part for pair in shown for part in pair), _text(question)), answer


def everything_in_text(rng: np.random.Generator, split: str) -> Drawn:
    """A passage, a photograph, a sentence spoken and a camera's move over another photograph."""
    one = _passage(rng, split)
    head, tail = _halves(rng, one.text)
    image, _ = _photograph(rng, split)
    video, _ = _camera(rng, split)
    sound = speak(rng, _clip(rng, split))
    parts = _text(head), _image(image), _text("A voice says:"), _audio(sound), _text("Meanwhile one sees:"), _video(video)
    return (*parts, _text(f"{tail}\n\n{one.question}")), one.answer


def _passage(rng: np.random.Generator, split: str) -> Passage:
    """A passage that begins with any of its sentences and goes round.

    Activations of equal beginnings are equal to the last bit; drawn as they stand, a few passages would fill the statistics
    with few distinct values.
    """
    found = [one for one in passages() if one.split == split and one.text]
    one = found[rng.integers(len(found))]
    starts = [0, *_ends(one.text)]
    start = starts[rng.integers(len(starts))]
    return replace(one, text=f"{one.text[start:]} {one.text[:start]}".strip())


def _clip(rng: np.random.Generator, split: str) -> Clip:
    # Digits have a question of their own.
    found = [clip for clip in choices(split) if clip.words not in DIGIT_WORDS]
    return found[rng.integers(len(found))]


def _photograph(rng: np.random.Generator, split: str) -> tuple[np.ndarray, str]:
    found = camera.of_split(split)
    one = found[rng.integers(len(found))]
    return camera.crop(rng, one), one.shows


def _camera(rng: np.random.Generator, split: str) -> tuple[np.ndarray, str]:
    found = camera.of_split(split)
    one = found[rng.integers(len(found))]
    return camera.travel(rng, one, _frames(rng)), one.shows


def _frames(rng: np.random.Generator) -> int:
    return int(rng.choice(FRAME_COUNTS))


def _halves(rng: np.random.Generator, words: str) -> tuple[str, str]:
    ends = _ends(words)
    cut = ends[rng.integers(len(ends))]
    return words[:cut].strip(), words[cut:].strip()


def _ends(words: str) -> list[int]:
    """Where sentences after the first begin."""
    return [at + 2 for at in range(len(words) - 2) if words[at : at + 2] in (". ", "? ")]


def _listed(words) -> str:
    return ", ".join(words)


def _text(value: str) -> Part:
    return Part(Modality.TEXT, value)


def _image(value: np.ndarray) -> Part:
    return Part(Modality.IMAGE, value)


def _audio(value: np.ndarray) -> Part:
    return Part(Modality.AUDIO, value)


def _video(value: np.ndarray) -> Part:
    return Part(Modality.VIDEO, value)
