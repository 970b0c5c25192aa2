import pytest
from fixtures.saved_models import TEMPLATE, tokenizer

from morphoquant.core.modality import Modality
from morphoquant.models.answering import Answering
from morphoquant.models.messages import MessageEncoder


def answering(template):
    words = tokenizer()
    words.chat_template = template
    return Answering(words, MessageEncoder(words, frozenset({Modality.TEXT}))), words


def test_an_answer_begins_where_the_turn_opens():
    found, words = answering(TEMPLATE)
    assert words.decode(found.answer("three")) == "three"
    assert found.end_of_turn == words.convert_tokens_to_ids("<|im_end|>")


def test_what_a_template_puts_before_an_answer_belongs_to_it():
    thinks = TEMPLATE.replace(
        "{{ message['role'] }}\n", "{{ message['role'] }}\n{% if loop.last and loop.length > 1 %}<t/>{% endif %}"
    )
    found, words = answering(thinks)
    assert words.decode(found.answer("three")) == "<t/>three"


def test_a_base_model_answers_on_the_next_line():
    found, words = answering(None)
    assert words.decode(found.answer("three")) == "\nthree"
    assert found.end_of_turn == words.eos_token_id


def test_a_template_that_rewrites_the_prompt_leaves_the_bare_answer():
    found, words = answering("{{ messages | length }}{% for message in messages %}{{ message['content'] }}{% endfor %}")
    assert words.decode(found.answer("three")) == "three"


@pytest.mark.parametrize("template", [TEMPLATE, None])
def test_prompt_and_answer_are_the_whole_talk(template):
    found, words = answering(template)
    encoder = found.encoder
    opened, closed = (words(encoder.chat(["How many?"], answer))["input_ids"] for answer in (None, "three"))
    assert [*opened, *found.answer("three")] == closed[: len(opened) + len(found.answer("three"))]
