"""Gradient ratios against autograd by hand."""

from collections import Counter
from contextlib import nullcontext
from dataclasses import replace
from weakref import WeakSet

import numpy as np
import pytest
import torch
from fixtures.saved_models import save_llava
from fixtures.small_loaded import small_items, small_loaded

from morphoquant.core.errors import BatchError, ModelError
from morphoquant.core.layers import Component, block_path
from morphoquant.core.modality import Modality
from morphoquant.core.spec import QuantSpec
from morphoquant.data.sample import Part, Sample, fingerprint
from morphoquant.methods.base import Need
from morphoquant.methods.options import parse_method
from morphoquant.models.load import load
from morphoquant.runs import gradients
from morphoquant.runs.capture import capture
from morphoquant.runs.fitting import fit
from morphoquant.runs.gradient_run import provide_gradients, store_gradients, stored_gradients
from morphoquant.runs.gradients import Gradients, measure_gradients
from morphoquant.runs.inputs import CalibrationInputs
from morphoquant.store.run_store import RunStore


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
    assert found.ratios_of("lm_head") == ratios


def test_ratios_are_medians_over_layers():
    layers = {str(place): {None: 2.0, Modality.IMAGE: value} for place, value in enumerate((1.0, 4.0, 100.0))}
    assert Gradients(layers, 1).ratios() == {Modality.IMAGE: 2.0}
    assert Gradients({"a": {None: 0.0, Modality.IMAGE: 1.0}}, 1).ratios() == {}


def test_a_layer_has_its_own_ratio_but_not_less_than_the_median_of_its_role():
    image = {"attn": (1.0, 3.0, 8.0), "mlp": (0.2, 0.1, 0.4)}
    layers = {
        f"layers.{block}.{half}.{end}": {None: 2.0, Modality.IMAGE: 2 * values[block]}
        for (half, values), end in zip(image.items(), ("o_proj", "down_proj"), strict=True)
        for block in range(3)
    }
    layers["layers.2.attn.o_proj"][Modality.AUDIO] = 5.0
    found = Gradients(layers, 1)
    assert [found.ratios_of(f"layers.{block}.attn.q_proj")[Modality.IMAGE] for block in range(3)] == [3.0, 3.0, 8.0]
    assert [found.ratios_of(f"layers.{block}.mlp.gate_proj")[Modality.IMAGE] for block in range(3)] == [0.2, 0.2, 0.4]
    assert found.ratios_of("layers.0.mlp.down_proj") == {Modality.IMAGE: 0.2}
    assert found.ratios_of("layers.0.attn.o_proj") == {Modality.IMAGE: 3.0, Modality.AUDIO: 2.5}
    assert found.ratios_of("vision.0.attn.qkv")[Modality.IMAGE] == pytest.approx((0.4 + 1.0) / 2), "the median of all"


def captured(loaded, store, given):
    """A capture of samples that no data set holds."""
    data = {"id": "made-up", "fingerprint": fingerprint(given), "samples": len(given)}
    batches = [loaded.encode([sample]) for sample in given]
    identity, control = loaded.identity, loaded.control
    return capture(loaded.model, batches, store=store, identity=identity, data=data, control=control, keep_rows=16)


def test_measured_once_and_found_by_what_is_fitted_to_the_capture(loaded, tmp_path):
    store = RunStore(tmp_path)
    run, methods = captured(loaded, store, samples()), [parse_method("mbq"), parse_method("rtn")]
    inputs = CalibrationInputs(run, loaded.model, [Component.LANGUAGE, Component.VISION])
    pairs = [(method, QuantSpec.parse("w3a16")) for method in methods]
    with pytest.raises(ModelError, match="no gradients of the answers' loss .* quantize --run .* image, video and audio"):
        fit(pairs, inputs)
    made = store_gradients(loaded, run, samples(), store=store)
    assert made.run_id.startswith("gradients-") and made.header.summary["samples"] == 4
    asked = []
    assert store_gradients(loaded, run, samples(), store=store, progress=lambda *said: asked.append(said)).run_id == made.run_id
    assert not asked, "nothing is measured again"
    exact, kept = measure_gradients(loaded, samples()), stored_gradients(run)
    assert kept.samples == exact.samples and kept.seconds == made.header.summary["seconds"] > 0
    for group in inputs.groups:
        assert inputs.group(group, {Need.GRADIENTS}).gradients == pytest.approx(exact.ratios_of(group))
        assert inputs.group(group, {Need.SAMPLE}).gradients is None
    own = {layer: kept.ratios_of(layer)[Modality.IMAGE] for layer in kept.by_layer}
    assert len(set(own.values())) > 2, "layers differ"
    inputs.gradients = replace(kept, seconds=1000.0 * len(inputs.groups))
    measured, plain = fit(pairs, inputs)
    assert all(found.seconds > 1000 for found in measured.values()) and all(found.seconds < 1000 for found in plain.values())
    for group, found in measured.items():
        fields = ",".join(f"{modality}={value!r}" for modality, value in kept.ratios_of(group).items())
        alone = parse_method(f"mbq:{fields}").fit(inputs.group(group, set(Need) - {Need.GRADIENTS}), QuantSpec.parse("w3a16"))
        assert all(torch.equal(weight, found.weights[layer]) for layer, weight in alone.weights.items())


def test_only_methods_that_need_gradients_have_them_measured(loaded, tmp_path):
    store = RunStore(tmp_path)
    run = captured(loaded, store, samples())
    provide_gradients(loaded, [run], [parse_method("rtn"), parse_method("mbq:image=1,video=1,audio=1")], store=store)
    assert [entry.header.plan.kind for entry in store.entries()] == ["capture"]
    with pytest.raises(BatchError, match="cannot be drawn again"):
        provide_gradients(loaded, [run], [parse_method("quarot+mbq")], store=store)
    store_gradients(loaded, run, samples(), store=store)
    provide_gradients(loaded, [run], [parse_method("quarot+mbq")], store=store)


def test_a_text_model_passes_over_what_it_cannot_see(loaded, tmp_path):
    store, given = RunStore(tmp_path), samples()
    run = captured(loaded, store, given)
    blind = replace(loaded, modalities=frozenset({Modality.TEXT, Modality.IMAGE}))
    made = store_gradients(blind, run, given, store=store)
    assert made.header.summary["samples"] == 2, "one of text and one of a picture"


def test_without_answers_there_is_no_loss(loaded):
    with pytest.raises(BatchError, match="no sample has an answer"):
        measure_gradients(loaded, [])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_weights_on_the_disk_are_held_a_block_at_a_time_and_give_the_same_gradients(tmp_path, monkeypatch, dtype):
    folder = str(save_llava(tmp_path / "llava"))
    picture = np.random.default_rng(0).integers(0, 255, (20, 20, 3), dtype=np.uint8)
    given = [Sample("0", "test", (Part(Modality.TEXT, "look"), Part(Modality.IMAGE, picture)), "yes")]
    whole, apart = (load(folder, tmp_path, dtype=dtype, memory=memory) for memory in (None, 1))
    learns = [one.requires_grad for one in apart.model.parameters()]
    counted = Counter()
    monkeypatch.setattr(
        gradients._Watched, "on_input", lambda self, group, module, x, slots, keys: counted.update({(group, len(x)): 1})
    )
    with monkeypatch.context() as patch:
        patch.setattr(gradients, "recomputed", lambda model, names: nullcontext())
        wanted, once = measure_gradients(whole, given), dict(counted)
        _, kept = _held(apart, given)
    counted.clear()
    assert measure_gradients(whole, given) == wanted and counted == once, "rows are seen once"
    found, held = _held(apart, given)
    assert found == wanted and wanted.by_layer
    assert (kept, held) == (2, 1)
    assert all(one.is_meta for one in apart.model.parameters())
    assert [one.requires_grad for one in apart.model.parameters()] == learns


def _held(loaded, given):
    """Gradients, and of how many decoder blocks weights are in memory at once while linears run, or run again."""
    alive, most, running, linear = {}, [], [], torch.nn.functional.linear

    def looking(x, weight, bias=None):
        alive.setdefault(block_path(running[-1]), WeakSet()).add(weight.untyped_storage())
        most.append(sum(len(some) > 0 for block, some in alive.items() if block and "language_model" in block))
        return linear(x, weight, bias)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.nn.functional, "linear", looking)
        linears = [(name, one) for name, one in loaded.model.named_modules() if isinstance(one, torch.nn.Linear)]
        handles = [one.register_forward_pre_hook(lambda *_, name=name: running.append(name)) for name, one in linears]
        found = measure_gradients(loaded, given)
    for handle in handles:
        handle.remove()
    return found, max(most)
