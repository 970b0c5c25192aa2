"""The media that ship: complete, licensed, small, apart by split; damage is one sentence."""

import shutil

import numpy as np
import pytest

from morphoquant.core.errors import BatchError
from morphoquant.data import media
from morphoquant.data.make.licences import licences
from morphoquant.data.words import DIGIT_WORDS


def test_the_media_folder_is_small_and_every_file_is_listed():
    files = {path.name for path in media.MEDIA.iterdir()}
    assert sum((media.MEDIA / name).stat().st_size for name in files) <= 4_000_000
    for name in files - {media.MANIFEST, "LICENSES.md", ".gitattributes"}:
        assert media.media_bytes(name)


def test_every_media_file_stands_in_the_licences():
    text = (media.MEDIA / "LICENSES.md").read_text(encoding="utf-8")
    assert text == licences()
    for path in media.MEDIA.iterdir():
        if path.suffix in (".jpg", ".flac") or path.name == "digits.png":
            assert path.name in text


def test_digits_are_those_of_the_source():
    ink, labels = media.digits()
    assert ink.shape == (1797, 8, 8) and ink.dtype == np.uint8 and labels.shape == (1797,)
    # Counts of the ten labels and the first image's first inked row, as published with the data set.
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert (ink[0, 0] // 15).tolist() == [0, 0, 5, 13, 9, 1, 0, 0]
    assert int(ink.max()) == media.INK


def test_photographs_are_read_small_and_in_colour():
    for one in media.photographs():
        picture = media.photograph(one.name)
        assert picture.dtype == np.uint8 and picture.shape[2] == 3
        assert 168 <= min(picture.shape[:2]) and max(picture.shape[:2]) <= 288


def test_every_voice_says_every_digit_and_no_speaker_stands_in_two_splits():
    said, splits = {}, {}
    for clip in media.clips():
        said.setdefault(clip.speaker, set()).add(clip.words)
        if clip.file == "synthetic.flac":
            splits.setdefault(clip.speaker.split("+")[1], set()).add(clip.split)
    assert all(words >= set(DIGIT_WORDS) for words in said.values())
    assert all(len(found) == 1 for found in splits.values())
    counts = [sum(found == {split} for found in splits.values()) for split in ("train", "calibration", "evaluation")]
    assert counts == [30, 4, 6]


def test_clips_are_audible_and_do_not_overlap():
    for name in ("synthetic.flac", "recorded.flac"):
        found = [clip for clip in media.clips() if clip.file == name]
        assert all(before.stop == after.start for before, after in zip(found, found[1:], strict=False))
        for clip in found:
            sound = media.utterance(clip)
            assert sound.dtype == np.float32 and 0.15 < len(sound) / 16_000 < 5
            assert 0.6 < np.abs(sound).max() < 0.75


def test_no_words_but_digits_are_shared_by_calibration_and_evaluation():
    words = {split: {clip.words for clip in media.clips() if clip.split == split} for split in ("calibration", "evaluation")}
    assert words["calibration"] & words["evaluation"] == set(DIGIT_WORDS)
    texts = {split: {p.text or p.question for p in media.passages() if p.split == split} for split in words}
    assert not texts["calibration"] & texts["evaluation"]
    assert all(len(found) > 20 for found in texts.values())


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(media.MEDIA, tmp_path / "media")


def test_a_missing_file_is_one_sentence(folder):
    (folder / "digits.png").unlink()
    with pytest.raises(BatchError, match=r"digits\.png cannot be read.*restore it") as caught:
        media.digits(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["digits.png", "digits.json"])
def test_a_damaged_file_is_one_sentence(folder, name):
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(BatchError, match=f"{name} is damaged.*restore it"):
        media.digits(folder)


def test_a_truncated_recording_is_one_sentence(folder):
    clip = media.clips(folder)[0]
    path = folder / clip.file
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(BatchError, match="is damaged"):
        media.utterance(clip, folder)


@pytest.mark.parametrize("content", [None, "{", "[]"])
def test_a_manifest_that_is_missing_or_foreign_is_one_sentence(folder, content):
    (folder / media.MANIFEST).unlink()
    if content is not None:
        (folder / media.MANIFEST).write_text(content)
    with pytest.raises(BatchError, match="MANIFEST.json"):
        media.photographs(folder)


def test_a_name_outside_of_the_folder_is_refused(folder):
    with pytest.raises(BatchError, match="is not listed"):
        media.media_bytes("../secret.png", folder)
