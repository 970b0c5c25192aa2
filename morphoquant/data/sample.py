"""Sample and Part: what goes into a model, before any processor has seen it."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from morphoquant.core.errors import BatchError
from morphoquant.core.modality import CONTENT, Modality

SAMPLE_RATE = 16_000  # Hz, of every audio part
ROLES = ("system", "user", "assistant")


@dataclass(frozen=True, eq=False)
class Part:
    """One piece of a sample.

    Attributes:
        modality: one of text, image, audio, video.
        value: text: str; image: uint8 [height, width, 3] RGB; audio: float32 [samples] in -1..1, mono, 16 kHz;
            video: uint8 [frames, height, width, 3] RGB.

    Raises:
        BatchError: the value is not of the type and shape of its modality.
    """

    modality: Modality
    value: str | np.ndarray

    def __post_init__(self):
        if self.modality not in CONTENT:
            raise BatchError(f"a sample cannot hold a part of modality {self.modality!s}: allowed are {', '.join(CONTENT)}.")
        if not _fits(self.modality, self.value):
            raise BatchError(
                f"the {self.modality} part of a sample is {_describe(self.value)}: it must be {_EXPECTED[self.modality]}."
            )


@dataclass(frozen=True, eq=False)
class Sample:
    """One or more parts in the order in which the model reads them, a user turn as a rule, and the answer if there is one.

    Attributes:
        id: unique within a data set, such as "demo-calibration/0/12".
        kind: the recipe it was made by, such as "audio-question".
        parts: at least one.
        answer: the expected answer in a word or two, absent where none is asked for.
        roles: for a talk of several turns who says each part: "system", "user" or "assistant"; neighbours of one role are a
            turn. Empty: all parts are one user turn.
    """

    id: str
    kind: str
    parts: tuple[Part, ...]
    answer: str | None = None
    roles: tuple[str, ...] = ()

    def __post_init__(self):
        if not self.parts:
            raise BatchError(f"sample {self.id!r} has no parts: give it at least one text, image, audio or video part.")
        if self.roles and (len(self.roles) != len(self.parts) or not set(self.roles) <= set(ROLES)):
            raise BatchError(f"sample {self.id!r} has the roles {self.roles}: give each part one of {', '.join(ROLES)}.")

    @property
    def modalities(self) -> frozenset[Modality]:
        """Those that its parts are of."""
        return frozenset(part.modality for part in self.parts)


def fingerprint(samples: Iterable[Sample]) -> str:
    """sha256 in hex over every identifier, kind, answer, role and part, in order; any change of a byte changes it."""
    digest = hashlib.sha256()
    for sample in samples:
        _feed(digest, "sample", sample.id.encode())
        _feed(digest, "kind", sample.kind.encode())
        _feed(digest, "answer" if sample.answer is not None else "no answer", (sample.answer or "").encode())
        if sample.roles:
            _feed(digest, "roles", "\0".join(sample.roles).encode())
        for part in sample.parts:
            if isinstance(part.value, str):
                _feed(digest, f"{part.modality}", part.value.encode())
            else:
                value = np.ascontiguousarray(part.value)
                _feed(digest, f"{part.modality} {value.dtype.str} {value.shape}", value.tobytes())
    return digest.hexdigest()


def _feed(digest, label: str, content: bytes) -> None:
    # Lengths stand before contents, so that two fields can never run into one another.
    digest.update(f"{label}\0{len(content)}\0".encode())
    digest.update(content)


_EXPECTED = {
    Modality.TEXT: "a string that is not empty",
    Modality.IMAGE: "uint8 [height, width, 3]",
    Modality.AUDIO: "finite float32 [samples], mono at 16 kHz",
    Modality.VIDEO: "uint8 [frames, height, width, 3]",
}


def _fits(modality: Modality, value) -> bool:
    if modality is Modality.TEXT:
        return isinstance(value, str) and bool(value.strip())
    if not isinstance(value, np.ndarray) or value.size == 0:
        return False
    if modality is Modality.AUDIO:
        return value.dtype == np.float32 and value.ndim == 1 and bool(np.isfinite(value).all())
    return value.dtype == np.uint8 and value.ndim == (3 if modality is Modality.IMAGE else 4) and value.shape[-1] == 3


def _describe(value) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {list(value.shape)}"
    return f"{value!r:.40}" if isinstance(value, str) else f"a {type(value).__name__}"
