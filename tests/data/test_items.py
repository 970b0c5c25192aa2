"""Items: what they refuse, and the exchange of media that is their control."""

import numpy as np
import pytest

from morphoquant.core.errors import BatchError
from morphoquant.core.modality import Modality
from morphoquant.data.items import Item, items_fingerprint, shuffled
from morphoquant.data.sample import Part, Sample

CHOICES = ("yes", "no")


def image(level: int) -> Part:
    return Part(Modality.IMAGE, np.full((4, 4, 3), level, np.uint8))


def audio(level: int) -> Part:
    return Part(Modality.AUDIO, np.full(8, level / 100, np.float32))


def text(words: str = "Is it?") -> Part:
    return Part(Modality.TEXT, words)


def item(name: str, *parts: Part, task: str = "same", answer: str = "yes", choices=CHOICES) -> Item:
    return Item(Sample(name, task, parts, answer), task, choices)


def media(one: Item) -> list[float]:
    return [float(part.value.flat[0]) for part in one.sample.parts if part.modality is not Modality.TEXT]


@pytest.mark.parametrize(
    ("parts", "subject"),
    [
        ((text(),), "text"),
        ((image(1), text()), "image"),
        ((text(), image(1), image(2)), "image"),
        ((audio(1), text()), "audio"),
        ((text(), audio(1), image(1)), "cross-modal"),
    ],
)
def test_an_item_knows_its_subject_and_the_index_of_its_answer(parts, subject):
    one = item("a/1", *parts, answer="no")
    assert (one.id, one.subject, one.answer) == ("a/1", subject, 1)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"answer": "maybe"}, "'maybe' of item 'a' is not among its choices 'yes', 'no'"),
        ({"answer": None}, "not among its choices"),
        ({"choices": ("yes",)}, "at least two"),
        ({"choices": ()}, r"\(none\)"),
        ({"choices": ("yes", "no", "yes")}, "none of them twice"),
        ({"choices": ("yes", " ")}, "choice that is empty"),
        ({"choices": ("yes", 3)}, "choice that is empty or no text"),
        ({"task": ""}, "has no task"),
    ],
)
def test_what_is_no_closed_question_is_one_sentence(wrong, says):
    with pytest.raises(BatchError, match=says) as caught:
        item("a", text(), **wrong)
    assert "\n" not in str(caught.value)


def test_every_medium_is_exchanged_for_one_of_another_item_at_its_place():
    items = [item(f"a/{n}", text("Listen:"), audio(n), text("Look:"), image(n), image(100 + n)) for n in range(1, 31)]
    control = shuffled(items, 0)
    assert [one.id for one in control] == [one.id for one in items]
    for before, after in zip(items, control, strict=True):
        assert after.choices == before.choices and after.sample.answer == before.sample.answer
        assert [p.value for p in after.sample.parts if p.modality is Modality.TEXT] == ["Listen:", "Look:"]
        assert all(old != new for old, new in zip(media(before), media(after), strict=True))
    places = np.array([media(one) for one in control])
    assert sorted(places[:, 1]) == list(range(1, 31)) and sorted(places[:, 2]) == list(range(101, 131))
    # Each place by itself: a sound and a picture of one other item would bring that item's answer along.
    assert (places[:, 1] != places[:, 2] - 100).mean() > 0.8


def test_media_stay_within_their_task_and_items_without_media_are_left_out():
    items = [item(f"{task}/{n}", image(base + n), task=task) for task, base in (("a", 0), ("b", 100)) for n in range(1, 6)]
    items.insert(3, item("t/0", text(), task="a"))
    control = shuffled(items, 0)
    assert "t/0" not in {one.id for one in control} and len(control) == 10
    assert all((media(one)[0] > 100) == (one.task == "b") for one in control)


def test_a_place_is_counted_by_modality_so_the_order_of_parts_may_differ():
    control = shuffled([item("a/0", audio(1), image(1)), item("a/1", image(2), audio(2))], 0)
    assert [[str(p.modality) for p in one.sample.parts] for one in control] == [["audio", "image"], ["image", "audio"]]
    assert media(control[1]) == pytest.approx([1, 0.01])


def test_no_item_gets_an_equal_picture_of_another():
    items = [item(f"a/{n}", image(n // 4)) for n in range(16)]
    for seed in range(20):
        control = shuffled(items, seed)
        assert len(control) == 16
        assert all(media(old) != media(new) for old, new in zip(items, control, strict=True))


def test_what_cannot_be_exchanged_is_left_out():
    assert shuffled([item("a/0", image(1))], 0) == []
    # Three of four pictures are the same: only two items can be given another one.
    assert len(shuffled([item(f"a/{n}", image(1 if n else 2)) for n in range(4)], 0)) == 2
    pair = [item("a/0", image(1), audio(1)), item("a/1", image(2)), item("a/2", image(3))]
    assert [one.id for one in shuffled(pair, 0)] == ["a/1", "a/2"]


def test_the_exchange_follows_from_the_seed():
    items = [item(f"a/{n}", image(n)) for n in range(20)]
    assert items_fingerprint(shuffled(items, 3)) == items_fingerprint(shuffled(items, 3))
    assert items_fingerprint(shuffled(items, 3)) != items_fingerprint(shuffled(items, 4))


def test_the_fingerprint_sees_every_field():
    one = item("a", image(1))
    others = [
        item("b", image(1)),
        item("a", image(2)),
        item("a", image(1), answer="no"),
        item("a", image(1), choices=("no", "yes")),
        item("a", image(1), choices=("yes", "no", "perhaps")),
        Item(one.sample, "other", CHOICES),
    ]
    assert len({items_fingerprint([other]) for other in [one, *others]}) == 7
    assert items_fingerprint([one, others[0]]) != items_fingerprint([others[0], one])
