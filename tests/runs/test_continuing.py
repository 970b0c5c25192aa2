from dataclasses import replace

import pytest
import torch
from fixtures.small_loaded import small_items, small_loaded
from runs.test_answers import by_hand

from morphoquant.core.modality import Modality
from morphoquant.runs.answers import Asker, log_likelihoods
from morphoquant.runs.continuing import Reader


@pytest.fixture(scope="module")
def loaded():
    return small_loaded()


@pytest.fixture(scope="module")
def questions(loaded):
    return [Asker(loaded)(item) for item in small_items(12)]


@pytest.fixture
def reader(loaded, questions):
    made = Reader.of(loaded)
    made.learn(loaded.model, questions)
    return made


@pytest.fixture
def tokens(loaded):
    """Tokens that the language model reads, forward by forward: [rows, tokens]."""
    read = []

    def note(module, args, kwargs):
        read.append(tuple(kwargs["inputs_embeds"].shape[:2]))

    handle = loaded.model.model.language_model.register_forward_pre_hook(note, with_kwargs=True)
    yield read
    handle.remove()


def test_the_opening_is_what_prompts_share_before_their_content(loaded, reader, questions):
    opening = loaded.answering.tokenizer.decode(list(reader.opening))
    assert "system" in opening and opening.endswith("user\n")
    assert all(tuple(one.prompt["input_ids"][0, : len(reader.opening)].tolist()) == reader.opening for one in questions)


@pytest.mark.parametrize("batch", [1, 3])
def test_likelihoods_are_those_of_whole_sequences(loaded, questions, reader, batch):
    assert set(reader.continues.values()) == {True} and len(reader.continues) == 4
    for question, found in zip(questions, log_likelihoods(loaded.model, questions, batch, reader), strict=True):
        assert found == pytest.approx(by_hand(loaded.model, question), abs=1e-4)


def test_the_opening_is_read_once_and_a_prompt_once_for_all_its_choices(loaded, questions, reader, tokens):
    moves = [one for one in questions if one.item.task == "moves"]
    assert all(len(one.rows) > 1 for one in moves)
    log_likelihoods(loaded.model, moves, 1, reader)
    length = len(reader.opening)
    assert tokens[0] == (1, length)
    assert tokens.count((1, length)) == 1
    prompts = [(1, one.prompt["input_ids"].shape[1] - length) for one in moves]
    assert [shape for shape in tokens[1:] if shape in prompts] == prompts
    assert all(shape in prompts or shape[1] <= max(map(len, moves[0].rows)) for shape in tokens[1:])


def test_a_kind_that_differs_is_read_whole(loaded, questions, tokens):
    reader = Reader.of(loaded)
    inner = loaded.model.model
    forward = inner.forward

    def forgetful(*args, past_key_values=None, **kwargs):
        seen = past_key_values is not None and past_key_values.get_seq_length() > 0
        forgets = seen and kwargs.get("pixel_values") is not None
        return forward(*args, past_key_values=None if forgets else past_key_values, **kwargs)

    inner.forward = forgetful
    try:
        reader.learn(loaded.model, questions)
    finally:
        del inner.forward
    assert reader.continues == {kind: Modality.IMAGE not in kind for kind in reader.continues}
    pictures = [one for one in questions if one.item.task == "colours"]
    tokens.clear()
    log_likelihoods(loaded.model, pictures, 1, reader)
    assert min(read for _, read in tokens) >= min(one.prompt["input_ids"].shape[1] for one in pictures)


def test_a_model_that_refuses_a_cache_is_read_whole(loaded, questions):
    inner = loaded.model.model
    forward = inner.forward

    def refuses(*args, past_key_values=None, **kwargs):
        if past_key_values is not None:
            raise ValueError("no cache here")
        return forward(*args, **kwargs)

    reader = Reader.of(loaded)
    inner.forward = refuses
    try:
        reader.learn(loaded.model, questions)
        found = log_likelihoods(loaded.model, questions, 1, reader)
    finally:
        del inner.forward
    assert not any(reader.continues.values())
    assert found == log_likelihoods(loaded.model, questions)


def test_sixteen_bit_weights_are_read_whole(loaded, questions):
    half = replace(loaded, model=small_loaded().model.bfloat16())
    reader = Reader.of(half)
    reader.learn(half.model, questions[:1])
    assert list(reader.continues.values()) == [False]


def test_a_prompt_that_opens_otherwise_is_read_whole(loaded, questions, reader):
    other = replace(questions[0], prompt={name: value[:, 2:] for name, value in questions[0].prompt.items()})
    (found,) = log_likelihoods(loaded.model, [other], 1, reader)
    assert found == pytest.approx(by_hand(loaded.model, other), abs=1e-4)
    assert torch.isfinite(torch.tensor(found)).all()
