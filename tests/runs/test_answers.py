from dataclasses import replace

import pytest
import torch
from fixtures.small_loaded import small_items, small_loaded

from morphoquant.core.errors import BatchError, ModelError
from morphoquant.core.modality import Modality
from morphoquant.runs.answers import Asker, forward, log_likelihoods


@pytest.fixture(scope="module")
def loaded():
    return small_loaded()


@pytest.fixture(scope="module")
def questions(loaded):
    return [Asker(loaded)(item) for item in small_items(12)]


def by_hand(model, question):
    """Each choice in a forward of its own, summed token by token."""
    found = []
    for ids in question.choices:
        batch = dict(question.prompt)
        batch["input_ids"] = torch.cat([batch["input_ids"], torch.tensor([ids])], 1)
        batch["attention_mask"] = torch.ones_like(batch["input_ids"])
        with torch.no_grad():
            steps = model(**batch).logits[0].double().log_softmax(-1)
        start = question.prompt["input_ids"].shape[1]
        found.append(sum(steps[start + place - 1, token].item() for place, token in enumerate(ids)))
    return found


def test_log_likelihoods_are_those_of_whole_sequences(loaded, questions):
    for question, found in zip(questions, log_likelihoods(loaded.model, questions), strict=True):
        assert found == pytest.approx(by_hand(loaded.model, question), abs=1e-4)
        assert len(set(found)) == len(found)


def test_choices_of_one_token_take_one_forward(loaded, questions):
    letters = [question for question in questions if question.item.task == "letters"]
    assert letters[0].rows == [()]
    ran = []
    handle = loaded.model.register_forward_hook(lambda *_: ran.append(1))
    log_likelihoods(loaded.model, letters)
    handle.remove()
    assert len(ran) == len(letters)


def test_a_choice_that_begins_another_is_closed(loaded, questions):
    moves = next(question for question in questions if question.item.task == "moves")
    assert moves.item.choices == ("no", "none", "yes")
    assert {ids[-1] for ids in moves.choices} == {loaded.end_of_turn}
    both = next(question for question in questions if question.item.task == "both")
    assert loaded.end_of_turn not in {token for ids in both.choices for token in ids}


def test_beginnings_of_others_take_no_row_of_their_own(loaded):
    item = small_items(2)[1]
    ids = [tuple(loaded.tokenize(choice)) for choice in ("red", "rebel", "blue")]
    question = Asker(loaded)(replace(item, choices=("red", "rebel", "blue"), sample=replace(item.sample, answer="red")))
    assert question.rows == sorted([ids[1][:4], ids[2][:3]])


@pytest.mark.parametrize("size", [2, 5, 40])
def test_results_do_not_depend_on_the_batch(loaded, questions, size):
    alone = log_likelihoods(loaded.model, questions, 1)
    together = log_likelihoods(loaded.model, questions, size)
    for one, other in zip(alone, together, strict=True):
        assert other == pytest.approx(one, abs=1e-5)


def test_batches_are_shared_and_never_padded(loaded, questions):
    shapes = []

    def see(module, args, kwargs):
        shapes.append(tuple(kwargs["input_ids"].shape))
        assert bool((kwargs["attention_mask"] == 1).all())

    handle = loaded.model.register_forward_pre_hook(see, with_kwargs=True)
    log_likelihoods(loaded.model, questions, 2)
    handle.remove()
    assert sum(rows for rows, _ in shapes) == sum(len(question.rows) for question in questions)
    assert max(rows for rows, _ in shapes) == 2


def test_kinds_of_tokens_grow_with_the_prompt(loaded):
    question = Asker(loaded)(small_items(2)[1])
    length = question.prompt["input_ids"].shape[1]
    kinds = replace(question, prompt={**question.prompt, "token_type_ids": torch.ones(1, length, dtype=torch.long)})
    seen = []

    class Sees(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = loaded.model

        def forward(self, token_type_ids, **batch):
            seen.append(token_type_ids)
            return self.inner(**batch)

    found = log_likelihoods(Sees(), [kinds])
    assert found[0] == pytest.approx(log_likelihoods(loaded.model, [question])[0], abs=1e-6)
    assert {(tuple(row[0, :length].tolist()), row[0, length:].sum().item()) for row in seen} == {((1,) * length, 0)}
    assert max(row.shape[1] for row in seen) > length


def test_a_medium_that_the_model_does_not_take_is_one_sentence(loaded):
    deaf = replace(loaded, modalities=frozenset({Modality.TEXT, Modality.IMAGE}))
    asker = Asker(deaf)
    assert asker(small_items(2)[1]).rows
    with pytest.raises(BatchError, match="'both/3' holds audio, which the model does not take: it takes image, text"):
        asker(small_items(4)[3])


def test_not_finite_and_headless_are_one_sentence(loaded, questions):
    with pytest.raises(ModelError, match="answers to item 'letters/0' are not finite"):
        with torch.no_grad():
            weight = loaded.model.model.language_model.norm.weight
            before = weight.clone()
            weight.fill_(float("nan"))
            try:
                log_likelihoods(loaded.model, questions[:1])
            finally:
                weight.copy_(before)
    with pytest.raises(ModelError, match="gives no logits"):
        forward(loaded.model.model, questions[0].prompt)
