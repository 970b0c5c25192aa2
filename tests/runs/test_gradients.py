"""Gradient ratios against autograd by hand."""

import pytest
import torch
from fixtures.small_loaded import small_items, small_loaded

from morphoquant.core.errors import BatchError
from morphoquant.core.modality import Modality
from morphoquant.methods.options import parse_method
from morphoquant.runs.gradients import Gradients, measure_gradients


@pytest.fixture(scope="module")
def loaded():
    return small_loaded()


def samples(count=4):
    return [item.sample for item in small_items(count)]


def test_means_are_those_of_autograd(loaded):
    """One sample with a picture: the output of one linear, differentiated on its own."""
    sample = samples()[1]
    found = measure_gradients(loaded, [sample])
    name = next(layer for layer in found.by_layer if layer.endswith("down_proj"))
    kept = []
    handle = loaded.model.get_submodule(name).register_forward_hook(lambda module, inputs, output: kept.append(output))
    batch = loaded.encode([sample])
    prompt = loaded.encode([sample], answers=False)["input_ids"].shape[1]
    logits = loaded.model(**batch).logits[0]
    handle.remove()
    ids = batch["input_ids"][0]
    loss = -torch.stack([logits[place - 1].log_softmax(-1)[ids[place]] for place in range(prompt, len(ids))]).mean()
    (grad,) = torch.autograd.grad(loss, kept[0])
    sizes = grad[0].abs().mean(1)
    picture = ids == ids.mode().values
    assert int(picture.sum()) > 3, "the placeholder is the most frequent token"
    assert found.by_layer[name][Modality.IMAGE] == pytest.approx(float(sizes[picture].mean()), rel=1e-4)
    assert found.by_layer[name][None] == pytest.approx(float(sizes[prompt - 1 : -1].mean()), rel=1e-4)
    assert found.samples == 1 and Modality.AUDIO not in found.by_layer[name]


def test_every_block_is_measured_and_the_model_is_left_as_it_was(loaded):
    before = [parameter.requires_grad for parameter in loaded.model.parameters()]
    found = measure_gradients(loaded, samples())
    assert [parameter.requires_grad for parameter in loaded.model.parameters()] == before
    assert all(parameter.grad is None for parameter in loaded.model.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in loaded.model.modules())
    assert {name.rpartition(".")[2] for name in found.by_layer} == {"o_proj", "down_proj"}
    ratios = found.ratios()
    assert list(ratios) == [Modality.IMAGE, Modality.VIDEO, Modality.AUDIO] and all(value > 0 for value in ratios.values())
    fields = ",".join(f"{modality}={value:.4g}" for modality, value in ratios.items())
    assert parse_method(f"mbq:{fields}").image == pytest.approx(ratios[Modality.IMAGE], rel=1e-3)


def test_ratios_are_medians_over_layers():
    layers = {str(place): {None: 2.0, Modality.IMAGE: value} for place, value in enumerate((1.0, 4.0, 100.0))}
    assert Gradients(layers, 1).ratios() == {Modality.IMAGE: 2.0}
    assert Gradients({"a": {None: 0.0, Modality.IMAGE: 1.0}}, 1).ratios() == {}


def test_without_answers_there_is_no_loss(loaded):
    with pytest.raises(BatchError, match="no sample has an answer"):
        measure_gradients(loaded, [])
