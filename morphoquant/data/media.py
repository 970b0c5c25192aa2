"""Reads the media that ship with MorphoQuant: handwriting, photographs, passages of text, synthetic and recorded speech.

Every file is checked against the sha256 in MANIFEST.json, so a damaged checkout cannot pass for other data.
"""

import hashlib
import io
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

from morphoquant.core.errors import BatchError
from morphoquant.data.sample import SAMPLE_RATE

MEDIA = Path(__file__).parent / "media"
MANIFEST = "MANIFEST.json"
CELL = 8  # pixels, side of a digit in the atlas
INK = 240  # value of full ink in the atlas
_RESTORE = 'restore it from the repository, for example with "git checkout -- morphoquant/data/media".'


@dataclass(frozen=True)
class Photograph:
    """A photograph: its name, its split and what it shows in a word or two."""

    name: str
    split: str
    shows: str


@dataclass(frozen=True)
class Passage:
    """Something to read and a question about it.

    Attributes:
        split: "calibration" or "evaluation".
        title: empty for a question that stands alone.
        text: the paragraph, empty for a question that stands alone.
        question: answered by the text, or by what everyone knows.
        answer: in a few words.
    """

    split: str
    title: str
    text: str
    question: str
    answer: str


@dataclass(frozen=True)
class Clip:
    """Where an utterance stands in a packed recording.

    Attributes:
        file: name of the FLAC.
        speaker: voice of espeak-ng, or a person's name.
        words: what is said.
        split: "train", "calibration" or "evaluation".
        start: first sample.
        stop: one past the last sample.
    """

    file: str
    speaker: str
    words: str
    split: str
    start: int
    stop: int


def media_bytes(name: str, root: Path = MEDIA) -> bytes:
    """The content of a media file, checked.

    Raises:
        BatchError: it is missing, not in the manifest, or not what the manifest says.
    """
    try:
        expected = json.loads((root / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BatchError(f"the demo media in {root} have no readable {MANIFEST}: {_RESTORE}") from error
    if not isinstance(expected, dict) or name not in expected:
        raise BatchError(f"demo media file {name!r} is not listed in {MANIFEST} of {root}: {_RESTORE}")
    try:
        content = (root / name).read_bytes()
    except OSError as error:
        raise BatchError(f"demo media file {root / name} cannot be read ({error.strerror}): {_RESTORE}") from error
    if hashlib.sha256(content).hexdigest() != expected[name]:
        raise BatchError(f"demo media file {root / name} is damaged, its sha256 is not that of {MANIFEST}: {_RESTORE}")
    return content


@cache
def digits(root: Path = MEDIA) -> tuple[np.ndarray, np.ndarray]:
    """Handwritten digits: ink uint8 [1797, 8, 8] in 0..240, and labels int64 [1797]; both read-only."""
    index = json.loads(media_bytes("digits.json", root))
    atlas = np.asarray(Image.open(io.BytesIO(media_bytes("digits.png", root))))
    labels = np.array([int(label) for label in index["labels"]])
    lines = atlas.shape[0] // CELL
    ink = atlas.reshape(lines, CELL, index["columns"], CELL).transpose(0, 2, 1, 3).reshape(-1, CELL, CELL)[: len(labels)]
    return _frozen(ink.copy()), _frozen(labels)


@cache
def photographs(root: Path = MEDIA) -> tuple[Photograph, ...]:
    """All photographs, in the order of their index."""
    return tuple(Photograph(**entry) for entry in json.loads(media_bytes("photographs.json", root)))


@cache
def photograph(name: str, root: Path = MEDIA) -> np.ndarray:
    """A photograph as uint8 [height, width, 3], read-only, longer side at most 288 pixels."""
    return _frozen(np.array(Image.open(io.BytesIO(media_bytes(f"{name}.jpg", root))).convert("RGB")))


@cache
def passages(root: Path = MEDIA) -> tuple[Passage, ...]:
    """All passages and stand-alone questions, written for MorphoQuant."""
    return tuple(Passage(**entry) for entry in json.loads(media_bytes("passages.json", root)))


@cache
def clips(root: Path = MEDIA) -> tuple[Clip, ...]:
    """All utterances, synthetic first, then recorded."""
    return tuple(
        Clip(f"{name}.flac", **entry)
        for name in ("synthetic", "recorded")
        for entry in json.loads(media_bytes(f"{name}.json", root))
    )


def utterance(clip: Clip, root: Path = MEDIA) -> np.ndarray:
    """The sound of a clip, float32 [samples] in -1..1, 16 kHz, a copy."""
    return _recording(clip.file, root)[clip.start : clip.stop].astype(np.float32) / 32768


@cache
def _recording(name: str, root: Path) -> np.ndarray:
    levels, rate = soundfile.read(io.BytesIO(media_bytes(name, root)), dtype="int16")
    if rate != SAMPLE_RATE or levels.ndim != 1:
        raise BatchError(f"demo media file {root / name} is not mono at 16 kHz: {_RESTORE}")
    return _frozen(levels)


def _frozen(array: np.ndarray) -> np.ndarray:
    array.setflags(write=False)
    return array
