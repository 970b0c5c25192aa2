"""Subjects of questions."""

import pytest

from morphoquant.core.evaluation import SUBJECTS, subject_of
from morphoquant.core.modality import Modality


def test_subjects_are_in_the_order_of_tables():
    assert SUBJECTS == ("text", "image", "audio", "video", "cross-modal")


@pytest.mark.parametrize(
    ("modalities", "subject"),
    [
        ([Modality.TEXT], "text"),
        ([], "text"),
        ([Modality.TEXT, Modality.IMAGE, Modality.IMAGE], "image"),
        ([Modality.VIDEO], "video"),
        ([Modality.TEXT, Modality.AUDIO, Modality.IMAGE], "cross-modal"),
        (["audio", "text"], "audio"),
    ],
)
def test_text_beside_media_does_not_count(modalities, subject):
    assert subject_of(modalities) == subject
    assert subject in SUBJECTS


def test_what_is_no_content_has_no_subject():
    with pytest.raises(ValueError, match="special"):
        subject_of([Modality.TEXT, Modality.SPECIAL])
