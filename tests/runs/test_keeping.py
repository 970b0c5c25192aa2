import pytest
import torch
from fixtures.small_loaded import small_items, small_loaded

from morphoquant.core.layers import Component
from morphoquant.runs.answers import Asker, log_likelihoods
from morphoquant.runs.keeping import Kept, unchanged_parts

LANGUAGE = [Component.LANGUAGE]


@pytest.fixture(scope="module")
def loaded():
    return small_loaded()


@pytest.fixture(scope="module")
def questions(loaded):
    return [Asker(loaded)(item) for item in small_items(4)]


@pytest.fixture
def runs(loaded):
    """Forwards of the vision tower that really happened."""
    counted = []
    embeddings = loaded.model.model.vision_tower.embeddings
    handle = embeddings.register_forward_hook(lambda *_: counted.append(1))
    yield counted
    handle.remove()


def test_parts_out_of_scope_are_found(loaded):
    towers = ["model.vision_tower", "model.audio_tower"]
    projectors = [f"model.{name}_projector" for name in ("image", "video", "audio")]
    assert unchanged_parts(loaded.model, LANGUAGE) == [*towers, *projectors]
    assert unchanged_parts(loaded.model, [Component.LANGUAGE, Component.AUDIO]) == towers[:1]
    assert unchanged_parts(loaded.model, [Component.LANGUAGE, Component.CONNECTOR]) == towers
    assert unchanged_parts(loaded.model, list(Component)) == []


def test_replayed_to_the_bit_with_one_run_of_the_tower(loaded, questions, runs):
    plain = log_likelihoods(loaded.model, questions)
    before, kept = len(runs), Kept()
    with kept.replaying(loaded.model, unchanged_parts(loaded.model, LANGUAGE)):
        first, second = (log_likelihoods(loaded.model, questions) for _ in range(2))
    assert first == second == plain
    assert len(runs) - before == sum(not question.item.task == "letters" for question in questions)
    assert kept.bytes > 0


def test_an_inner_change_of_the_language_model_is_seen(loaded, questions):
    weight = loaded.model.model.language_model.layers[0].mlp.down_proj.weight
    kept = Kept()
    with kept.replaying(loaded.model, unchanged_parts(loaded.model, LANGUAGE)), torch.no_grad():
        first = log_likelihoods(loaded.model, questions)
        before = weight.clone()
        weight.mul_(2)
        changed = log_likelihoods(loaded.model, questions)
        weight.copy_(before)
    assert all(one != other for one, other in zip(first, changed, strict=True))


def test_other_media_are_other_outputs(loaded):
    one, other = (Asker(loaded)(small_items(2, seed)[1]) for seed in (0, 1))
    with Kept().replaying(loaded.model, ["model.vision_tower"]):
        found = [log_likelihoods(loaded.model, [question]) for question in (one, other, one)]
    assert found[0] == found[2] != found[1]


def test_beyond_the_limit_is_computed_again(loaded, questions, runs):
    plain = log_likelihoods(loaded.model, questions)
    before, kept = len(runs), Kept(limit=1000)
    with kept.replaying(loaded.model, ["model.vision_tower"]):
        assert log_likelihoods(loaded.model, questions) == plain
        once = len(runs) - before
        assert log_likelihoods(loaded.model, questions) == plain
    assert len(runs) - before == 2 * once and kept.bytes == 0


def test_not_learning_replays_what_is_known(loaded, questions, runs):
    kept = Kept()
    with kept.replaying(loaded.model, ["model.vision_tower"]):
        log_likelihoods(loaded.model, questions[1:2])
    before, held = len(runs), kept.bytes
    with kept.replaying(loaded.model, ["model.vision_tower"], learning=False):
        log_likelihoods(loaded.model, questions[1:3])
    assert kept.bytes == held and len(runs) - before == len(questions[2].rows)


def test_nobody_can_write_to_what_is_kept():
    model = torch.nn.Sequential(torch.nn.Linear(2, 2))
    x = torch.ones(1, 2)
    with Kept().replaying(model, ["0"]), torch.no_grad():
        first = model(x).clone()
        model(x).zero_()
        assert torch.equal(model(x), first)


def test_what_cannot_be_told_apart_is_computed():
    class Opaque(torch.nn.Module):
        def forward(self, x, cache):
            return x + len(cache)

    model = torch.nn.Sequential(Opaque())
    kept = Kept()
    with kept.replaying(model, ["0"]):
        assert model[0](torch.zeros(1), {1}) == 1 and model[0](torch.zeros(1), {1, 2}) == 2
    assert kept.bytes == 0


def test_the_model_is_restored_after_an_error(loaded):
    with pytest.raises(KeyError), Kept().replaying(loaded.model, ["model.vision_tower", "model"]):
        raise KeyError
    assert not any("forward" in vars(module) for module in loaded.model.modules())
