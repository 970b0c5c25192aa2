"""Parts refuse what is not of their modality; a fingerprint sees every change."""

from dataclasses import replace

import numpy as np
import pytest

from morphoquant.core.errors import BatchError
from morphoquant.core.modality import Modality
from morphoquant.data.sample import Part, Sample, fingerprint

IMAGE = np.arange(2 * 4 * 3, dtype=np.uint8).reshape(2, 4, 3)
PARTS = (
    Part(Modality.TEXT, "What is this?"),
    Part(Modality.IMAGE, IMAGE),
    Part(Modality.AUDIO, np.linspace(-0.5, 0.5, 9, dtype=np.float32)),
    Part(Modality.VIDEO, np.stack([IMAGE, IMAGE])),
)
SAMPLE = Sample("set/0/0", "everything", PARTS, "yes")


@pytest.mark.parametrize(
    ("modality", "value"),
    [
        (Modality.TEXT, ""),
        (Modality.TEXT, b"bytes"),
        (Modality.IMAGE, IMAGE.astype(np.float32)),
        (Modality.IMAGE, IMAGE[..., :1]),
        (Modality.IMAGE, np.stack([IMAGE])),
        (Modality.IMAGE, IMAGE[:0]),
        (Modality.IMAGE, IMAGE[:, :0]),
        (Modality.AUDIO, np.zeros(4)),
        (Modality.AUDIO, np.zeros((2, 4), np.float32)),
        (Modality.AUDIO, np.zeros(0, np.float32)),
        (Modality.AUDIO, np.array([0, np.nan], np.float32)),
        (Modality.VIDEO, IMAGE),
        (Modality.VIDEO, IMAGE[None][:0]),
        (Modality.VIDEO, IMAGE[None][:, :0]),
        (Modality.SPECIAL, "x"),
    ],
)
def test_a_part_of_the_wrong_shape_or_type_is_refused_in_one_sentence(modality, value):
    with pytest.raises(BatchError) as caught:
        Part(modality, value)
    assert "must be" in str(caught.value) or "allowed are" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_sample_without_parts_is_refused():
    with pytest.raises(BatchError, match="has no parts"):
        Sample("set/0/0", "text", ())


def test_modalities_are_those_of_the_parts():
    assert Sample("a", "b", PARTS[1:3]).modalities == {Modality.IMAGE, Modality.AUDIO}


def _changed_part(place: int) -> Sample:
    part = PARTS[place]
    if isinstance(part.value, str):
        value = part.value + " "
    else:
        value = part.value.copy()
        value.flat[-1] = value.flat[-1] / 2
    return replace(SAMPLE, parts=(*PARTS[:place], Part(part.modality, value), *PARTS[place + 1 :]))


CHANGES = {
    "id": replace(SAMPLE, id="set/0/1"),
    "kind": replace(SAMPLE, kind="text"),
    "answer": replace(SAMPLE, answer="no"),
    "no answer": replace(SAMPLE, answer=None),
    "empty answer": replace(SAMPLE, answer=""),
    "order": replace(SAMPLE, parts=PARTS[::-1]),
    "fewer parts": replace(SAMPLE, parts=PARTS[:3]),
    "shape": replace(SAMPLE, parts=(PARTS[0], Part(Modality.IMAGE, IMAGE.reshape(4, 2, 3)), *PARTS[2:])),
    "joined texts": replace(SAMPLE, id="set/0/0e", kind="verything"),
    **{f"value of {part.modality}": _changed_part(place) for place, part in enumerate(PARTS)},
}


def test_every_change_gives_another_fingerprint():
    found = {"unchanged": fingerprint([SAMPLE]), **{name: fingerprint([sample]) for name, sample in CHANGES.items()}}
    assert len(set(found.values())) == len(found)


def test_the_fingerprint_is_of_the_values_and_not_of_their_memory():
    shuffled = np.asfortranarray(IMAGE)
    again = replace(SAMPLE, parts=(PARTS[0], Part(Modality.IMAGE, shuffled), *PARTS[2:]))
    assert fingerprint([again]) == fingerprint([SAMPLE])
    assert fingerprint([SAMPLE, again]) != fingerprint([SAMPLE])
    assert len(fingerprint([])) == 64
