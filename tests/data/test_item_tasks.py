"""The tasks: balanced, repeatable, held out, worded as trained, and without a hint in their choices."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from morphoquant.core.errors import BatchError, UnknownNameError
from morphoquant.core.evaluation import SUBJECTS
from morphoquant.core.modality import Modality
from morphoquant.data import training
from morphoquant.data.facts import facts
from morphoquant.data.item_tasks import ITEM_TASKS, draw_items
from morphoquant.data.items import items_fingerprint, shuffled
from morphoquant.data.media import passages
from morphoquant.data.passages import perplexity_texts
from morphoquant.data.sample import fingerprint
from morphoquant.data.words import DIGIT_WORDS

SUBJECT = {
    "image-digit": "image",
    "spoken-digit": "audio",
    "spoken-digit-human": "audio",
    "video-digit": "video",
    "video-motion": "video",
    "video-order": "video",
    "same-digit": "cross-modal",
    "picture-recording-video": "cross-modal",
    "text-facts": "text",
}
WITH_MEDIA = [name for name in SUBJECT if name != "text-facts"]


@pytest.fixture(scope="module")
def sixty():
    return {name: draw_items([name], 60, 0) for name in ITEM_TASKS}


def test_there_is_a_task_for_every_subject():
    assert list(ITEM_TASKS) == list(SUBJECT) and set(SUBJECT.values()) == set(SUBJECTS)


@pytest.mark.parametrize("name", SUBJECT)
def test_items_of_a_task_are_different_and_of_its_subject(name, sixty):
    items = sixty[name]
    assert [item.id for item in items] == [f"{name}/0/{index}" for index in range(60)]
    assert {(item.task, item.subject) for item in items} == {(name, SUBJECT[name])}
    assert len({fingerprint([replace(item.sample, id="same")]) for item in items}) == 60


@pytest.mark.parametrize("name", SUBJECT)
def test_items_follow_from_the_seed_and_not_from_the_count(name, sixty):
    assert items_fingerprint(draw_items([name], 7, 0)) == items_fingerprint(sixty[name][:7])
    assert items_fingerprint(draw_items([name], 7, 1)) != items_fingerprint(sixty[name][:7])


@pytest.mark.parametrize("name", [name for name in WITH_MEDIA if name != "video-order"])
def test_every_answer_is_asked_for_equally_often(name, sixty):
    counts = Counter(item.answer for item in sixty[name])
    assert len(counts) == len(sixty[name][0].choices) and len(set(counts.values())) == 1


def test_the_answer_is_in_the_medium_that_is_asked_about(monkeypatch):
    drawn = {}

    def seen(kind, maker):
        def make(*args, **options):
            medium, answer = maker(*args, **options)
            drawn[kind] = answer if isinstance(answer, str) else DIGIT_WORDS[answer]
            return medium, answer

        return make

    for kind, maker in (("picture", "digit_image"), ("spoken", "spoken_digit"), ("video", "digit_video")):
        monkeypatch.setattr(training, maker, seen(kind, getattr(training, maker)))
    # The last item drawn is the one whose digits were noted last.
    for count in range(1, 31):
        item = draw_items(["picture-recording-video"], count, 0)[-1]
        asked = [drawn[kind] for kind in drawn if kind in item.sample.parts[-1].value]
        assert asked == [item.sample.answer] and len(set(drawn.values())) == 3
    for count in range(1, 9):
        item = draw_items(["same-digit"], count, 0)[-1]
        assert item.sample.answer == ("Yes" if drawn["picture"] == drawn["spoken"] else "No")


def test_media_are_those_of_evaluation(monkeypatch):
    splits = []

    def noted(maker):
        def make(rng, split, *args, **options):
            splits.append(split)
            return maker(rng, split, *args, **options)

        return make

    def noted_clips(maker):
        def make(split, source):
            splits.append(split)
            return maker(split, source)

        return make

    monkeypatch.setattr(training.handwriting, "stamp", noted(training.handwriting.stamp))
    monkeypatch.setattr(training, "digit_clips", noted_clips(training.digit_clips))
    draw_items(WITH_MEDIA, 3, 0)
    assert set(splits) == {"evaluation"} and len(splits) == 3 * (5 + 2 + 2 + 3)


def test_no_choice_of_an_order_stands_out(sixty):
    places, kept_first = Counter(), 0
    for item in sixty["video-order"]:
        pairs = [choice.split(", ") for choice in item.choices]
        # Seen from every choice, the other three look the same: its reverse, and both orders of a pair that shares one digit.
        for pair in pairs:
            others = [other for other in pairs if other != pair]
            assert pair[::-1] in others and sum(len({*pair} & {*other}) == 1 for other in others) == 2
        places[item.answer] += 1
        first, second = item.sample.answer.split(", ")
        assert first != second
        kept_first += sum(first in choice for choice in item.choices) == 4
    assert set(places) == {0, 1, 2, 3} and 15 < kept_first < 45
    assert Counter(item.sample.answer.split(", ")[0] for item in sixty["video-order"]) == dict.fromkeys(DIGIT_WORDS, 6)


def test_a_video_shows_its_digits_in_the_order_of_the_answer():
    video, words = training.digit_sequence(np.random.default_rng(0), "evaluation", frames=4, labels=(3, 8))
    assert words == ("three", "eight")
    assert np.array_equal(video[0], video[1]) and np.array_equal(video[2], video[3]) and not np.array_equal(video[1], video[2])


@pytest.mark.parametrize("name", WITH_MEDIA)
def test_every_item_with_media_has_its_control(name, sixty):
    control = shuffled(sixty[name], 0)
    assert [one.id for one in control] == [item.id for item in sixty[name]]


def test_facts_are_enough_and_none_is_asked_elsewhere():
    known = facts()
    assert len(known) >= 200 and len({one.question for one in known}) == len(known)
    elsewhere = " ".join(f"{one.text} {one.question}" for one in passages() if one.split == "calibration")
    for one in known:
        assert one.question.endswith("?") and one.question not in elsewhere
        assert one.answer not in one.wrong and len(set(one.wrong)) == len(one.wrong) >= 3


def test_facts_are_drawn_once_each_and_right_answers_stand_anywhere():
    items = draw_items(["text-facts"], 10_000, 0)
    assert len(items) == len(facts()) == len({item.sample.parts[0].value for item in items})
    places = Counter(item.answer for item in items)
    assert min(places[place] for place in range(4)) > len(items) / 8
    truth = {one.question: one for one in facts()}
    for item in items:
        one = truth[item.sample.parts[0].value]
        assert item.sample.answer == one.answer and {*item.choices} <= {one.answer, *one.wrong}


def test_passages_for_perplexity_are_held_out():
    texts = perplexity_texts()
    assert len(texts) == len({name for name, _ in texts}) > 10
    calibration = {one.text for one in passages() if one.split == "calibration"}
    assert all(len(text) > 200 and text not in calibration for _, text in texts)


def test_items_hold_media_and_questions_only(sixty):
    for item in (item for items in sixty.values() for item in items):
        assert item.sample.parts[-1].modality is Modality.TEXT and item.sample.parts[-1].value.endswith("?")


@pytest.mark.parametrize(
    ("words", "says"),
    [((["image-digit"], 0, 0), "at least 1"), ((["image-digit"], 1, -1), "positive"), (([], 1, 0), "no task: name one")],
)
def test_what_cannot_be_drawn_is_one_sentence(words, says):
    with pytest.raises(BatchError, match=says):
        draw_items(*words)


def test_an_unknown_task_names_the_near_one():
    with pytest.raises(UnknownNameError, match="unknown task 'image-digits': did you mean 'image-digit'"):
        draw_items(["text-facts", "image-digits"], 1, 0)


def test_a_task_said_twice_counts_once():
    assert len(draw_items(["same-digit", "same-digit"], 2, 0)) == 2
