"""Closed-set items: right shapes, repeatable, split by writer and voice, and solvable."""

import numpy as np
import pytest

from morphoquant.core.errors import BatchError
from morphoquant.data import handwriting, training
from morphoquant.data.ground import CONTRAST, LUMINANCE, ground, ink
from morphoquant.data.media import digits
from morphoquant.data.speech import digit_clips, vary
from morphoquant.data.words import SPLITS

MAKERS = {
    "digit_image": training.digit_image,
    "two_digits_image": training.two_digits_image,
    "spoken_digit": training.spoken_digit,
    "digit_video": training.digit_video,
    "digit_motion": training.digit_motion,
    "digit_sequence": training.digit_sequence,
}


@pytest.mark.parametrize("name", MAKERS)
def test_equal_seeds_give_equal_items_and_other_seeds_others(name):
    first, again, other = (MAKERS[name](np.random.default_rng(seed), "train") for seed in (5, 5, 6))
    assert np.array_equal(first[0], again[0]) and first[1] == again[1]
    assert not np.array_equal(first[0], other[0])


@pytest.mark.parametrize("split", SPLITS)
def test_items_have_the_shapes_and_answers_that_they_promise(split):
    rng = np.random.default_rng(0)
    image, label = training.digit_image(rng, split)
    assert image.dtype == np.uint8 and image.shape == (112, 112, 3) and 0 <= label <= 9
    image, pair = training.two_digits_image(rng, split)
    assert image.shape == (112, 112, 3) and len(pair) == 2
    sound, label = training.spoken_digit(rng, split)
    assert sound.dtype == np.float32 and sound.ndim == 1 and np.abs(sound).max() <= 1 and 0 <= label <= 9
    assert 0.3 < len(sound) / 16_000 < 2.5
    video, word = training.digit_video(rng, split, frames=6)
    assert video.dtype == np.uint8 and video.shape == (6, 112, 112, 3) and word in training.DIGIT_WORDS
    assert training.digit_motion(rng, split)[1] in training.DIRECTIONS
    video, words = training.digit_sequence(rng, split, count=3, frames=6)
    assert video.shape[0] == 6 and len(words) == 3 and set(words) <= set(training.DIGIT_WORDS)


def test_a_label_or_an_index_asked_for_is_what_one_gets():
    rng = np.random.default_rng(0)
    _, labels = digits()
    for label in range(10):
        assert training.digit_image(rng, "evaluation", label=label)[1] == label
        assert training.spoken_digit(rng, "evaluation", label=label, source=None)[1] == label
        assert training.digit_video(rng, "evaluation", label=label)[1] == training.DIGIT_WORDS[label]
    for direction in training.DIRECTIONS:
        assert training.digit_motion(rng, "evaluation", direction=direction)[1] == direction
    assert training.digit_image(rng, index=1796)[1] == labels[1796]


def test_splits_cover_all_handwriting_once_and_hold_every_digit():
    _, labels = digits()
    indices = [index for split in SPLITS for index in handwriting.SPLIT_INDICES[split]]
    assert sorted(indices) == list(range(1797))
    assert all(set(labels[list(found)]) == set(range(10)) for found in handwriting.SPLIT_INDICES.values())


def test_a_split_never_draws_the_handwriting_of_another(monkeypatch):
    pictures, labels = digits()
    marked = pictures.copy()
    marked[list(handwriting.SPLIT_INDICES["train"])] = 0
    monkeypatch.setattr(handwriting, "digits", lambda: (marked, labels))
    rng = np.random.default_rng(0)
    assert all(handwriting.stamp(rng, split, 64).cover.max() > 0.5 for split in ("calibration", "evaluation") for _ in range(50))
    assert all(handwriting.stamp(rng, "train", 64).cover.max() == 0 for _ in range(50))


def test_people_speak_digits_in_evaluation_only():
    assert {clip.speaker for clip in digit_clips("evaluation", "recorded")} == {"Allison Smith"}
    rng = np.random.default_rng(0)
    training.spoken_digit(rng, "evaluation", source="recorded")
    for split in ("train", "calibration"):
        with pytest.raises(BatchError, match="recorded ones exist for evaluation only"):
            training.spoken_digit(rng, split, source="recorded")


def test_motion_goes_where_the_answer_says():
    for seed in range(20):
        video, direction = training.digit_motion(np.random.default_rng(seed), frames=4)
        ground_level = np.median(video, axis=(1, 2), keepdims=True)
        weight = np.square(np.abs(video - ground_level).sum(-1))
        weight *= weight > 0.3 * weight.max()
        rows, columns = np.mgrid[:112, :112]
        centre = [[(frame * axis).sum() / frame.sum() for axis in (rows, columns)] for frame in weight]
        down, right = np.subtract(centre[-1], centre[0])
        strong, weak = (down, right) if direction in ("up", "down") else (right, down)
        assert abs(strong) > 2 * abs(weak)
        assert (strong > 0) == (direction in ("down", "right"))


def test_ink_stands_out_from_every_ground():
    rng = np.random.default_rng(0)
    for _ in range(200):
        behind = ground(rng, 16, 16)
        colour = ink(rng, behind)
        assert abs(float(colour @ LUMINANCE) - (behind.reshape(-1, 3) @ LUMINANCE).mean()) > CONTRAST - 1
        assert colour.min() >= -0.01 and colour.max() <= 255.01


def test_nearest_neighbour_reads_the_digits_of_another_split():
    # Handwriting at its own size: if labels and pictures were mixed up, this would fall to 10 %.
    pictures, labels = digits()
    flat = pictures.reshape(-1, 64).astype(np.float32)
    train, test = (list(handwriting.SPLIT_INDICES[split]) for split in ("train", "evaluation"))
    distance = (flat[test] ** 2).sum(1)[:, None] + (flat[train] ** 2).sum(1)[None] - 2 * flat[test] @ flat[train].T
    assert (labels[train][distance.argmin(1)] == labels[test]).mean() > 0.93


def test_speech_is_varied_in_length_loudness_and_noise():
    tone = np.sin(np.arange(8000) * 0.05).astype(np.float32) * 0.7
    varied = [vary(np.random.default_rng(seed), tone) for seed in range(30)]
    assert len({len(sound) for sound in varied}) > 25
    peaks = [np.abs(sound).max() for sound in varied]
    assert max(peaks) > 2 * min(peaks) and max(peaks) <= 1
    assert all(np.abs(sound[:700]).max() > 0 for sound in varied)
