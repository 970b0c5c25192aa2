"""The demo data sets: repeatable, balanced, disjoint."""

import hashlib
import json
from collections import Counter

import numpy as np
import pytest

from morphoquant.core.errors import BatchError, UnknownNameError
from morphoquant.core.modality import CONTENT, Modality
from morphoquant.data import recipes, training
from morphoquant.data.datasets import DATASETS, ONE_MODALITY, RECIPES
from morphoquant.data.media import passages
from morphoquant.data.sample import Sample, fingerprint
from morphoquant.data.words import DIGIT_WORDS


@pytest.fixture(scope="module", params=["demo-calibration", "demo-evaluation"])
def name(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def sixty(name) -> list[Sample]:
    return DATASETS[name](60, 0)


def test_equal_seeds_give_equal_samples_and_other_seeds_others(name, sixty):
    assert fingerprint(DATASETS[name](60, 0)) == fingerprint(sixty)
    other = DATASETS[name](60, 1)
    assert fingerprint(other) != fingerprint(sixty)
    assert not {sample.id for sample in other} & {sample.id for sample in sixty}


def test_a_smaller_set_is_the_beginning_of_a_larger_one(name, sixty):
    assert fingerprint(DATASETS[name](7, 0)) == fingerprint(sixty[:7])


def test_every_modality_is_in_the_first_sample_and_well_present_in_sixteen(sixty):
    assert sixty[0].modalities == set(CONTENT)
    held = Counter(modality for sample in sixty[:16] for modality in sample.modalities)
    assert held[Modality.TEXT] == 16
    assert all(held[modality] >= 4 for modality in CONTENT)


def test_kinds_are_balanced_and_samples_unique(sixty):
    assert Counter(sample.kind for sample in sixty) == dict.fromkeys(RECIPES, 4)
    assert len({sample.id for sample in sixty}) == 60
    assert len({fingerprint([sample]) for sample in sixty}) == 60


def test_the_mixture_has_what_was_asked_for(sixty):
    orders = {sample.kind: [part.modality for part in sample.parts] for sample in sixty}
    text, image, audio = Modality.TEXT, Modality.IMAGE, Modality.AUDIO
    assert orders["text"] == [text]
    assert orders["image-in-text"] == [text, image, text]
    assert orders["two-images"].count(image) == 2
    assert orders["audio-in-text"] == [text, audio, text]
    assert set(orders["everything-in-text"]) == set(CONTENT) and orders["everything-in-text"][::2] == [text] * 4


def test_pictures_and_sounds_are_of_sizes_that_a_processor_expects(sixty):
    for part in (part for sample in sixty for part in sample.parts):
        if part.modality is Modality.IMAGE:
            assert 112 <= min(part.value.shape[:2]) and max(part.value.shape[:2]) <= 224
            assert part.value.std() > 3
        elif part.modality is Modality.VIDEO:
            assert part.value.shape[0] in (4, 6, 8) and part.value.shape[1] == part.value.shape[2]
            assert not np.array_equal(part.value[0], part.value[-1])
        elif part.modality is Modality.AUDIO:
            assert 0.3 < len(part.value) / 16_000 < 6


def test_calibration_and_evaluation_share_nothing_but_questions():
    values = {}
    for name in ("demo-calibration", "demo-evaluation"):
        parts = [part for sample in DATASETS[name](90, 0) for part in sample.parts]
        values[name] = {p.value.tobytes() for p in parts if p.modality is not Modality.TEXT}
        texts = " ".join(p.value for p in parts if p.modality is Modality.TEXT)
        others = [p for p in passages() if p.split != name.removeprefix("demo-")]
        assert not any(other.question in texts for other in others)
    assert not values["demo-calibration"] & values["demo-evaluation"]


def test_a_spoken_and_a_written_digit_are_compared_truly(monkeypatch):
    drawn = []

    def seen(maker):
        def make(*args, **options):
            item = maker(*args, **options)
            drawn.append(item[1])
            return item

        return make

    for maker in ("digit_image", "spoken_digit"):
        monkeypatch.setattr(training, maker, seen(getattr(training, maker)))
    answers = []
    for seed in range(20):
        answers.append(recipes.audio_and_image(np.random.default_rng(seed), "calibration")[1])
        said, written = drawn[-2:]
        assert answers[-1] == ("Yes" if said == written else "No")
    assert 4 < answers.count("Yes") < 16


def test_the_two_mixtures_draw_what_they_always_drew(name, sixty):
    # Words and sizes only: another release of a library may draw other bytes of the same picture.
    drawn = [[s.id, s.kind, s.answer, *(p.value if isinstance(p.value, str) else p.value.shape for p in s.parts)] for s in sixty]
    digest = hashlib.sha256(json.dumps(drawn).encode()).hexdigest()
    assert digest[:16] == {"demo-calibration": "deafb0798622e751", "demo-evaluation": "ba32b99a7f62432a"}[name]


@pytest.mark.parametrize("modality", ONE_MODALITY)
def test_a_set_of_one_modality_holds_no_other_medium(modality):
    draw = DATASETS[f"demo-calibration-{modality}"]
    samples = draw(30, 0)
    assert all(sample.modalities == {Modality.TEXT, modality} for sample in samples)
    assert set(Counter(sample.kind for sample in samples).values()) == {30 // len(ONE_MODALITY[modality])}
    assert all(sample.id.startswith(f"demo-calibration-{modality}/0/") for sample in samples)
    assert fingerprint(draw(4, 0)) == fingerprint(samples[:4]) != fingerprint(draw(4, 1))


def test_sets_of_one_modality_are_of_the_calibration_split():
    others = [p for p in passages() if p.split == "evaluation"]
    for modality in ONE_MODALITY:
        texts = " ".join(
            p.value for s in DATASETS[f"demo-calibration-{modality}"](30, 0) for p in s.parts if isinstance(p.value, str)
        )
        assert not any(other.question in texts for other in others)


def test_text_alone_calibrates_on_many_different_texts():
    samples = DATASETS["demo-calibration-text"](45, 0)
    assert len({sample.parts[0].value for sample in samples}) > 25
    held = " ".join(sample.parts[0].value for sample in samples)
    assert sum(p.question in held for p in passages() if p.split == "calibration") > 18


def test_answers_of_digit_questions_are_digits(sixty):
    for sample in sixty:
        if sample.kind in ("image-question", "audio-question", "two-images", "everything"):
            assert sample.answer in DIGIT_WORDS


@pytest.mark.parametrize(("count", "seed"), [(0, 0), (-3, 0), (4, -1)])
def test_a_bad_count_or_seed_is_one_sentence(name, count, seed):
    with pytest.raises(BatchError, match="at least 1|positive"):
        DATASETS[name](count, seed)


def test_an_unknown_data_set_names_the_near_one():
    with pytest.raises(UnknownNameError, match="did you mean 'demo-calibration'"):
        DATASETS["demo-calibratoin"]
