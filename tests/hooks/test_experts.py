"""Experts of a mixture, captured one by one."""

from collections import Counter

import numpy as np
import pytest
import torch
import transformers as tf
from tiny_mixtures import EXPERTS, MIXTURES, TOP_K
from torch import nn

from morphoquant.core.layers import Component, expert_of
from morphoquant.core.modality import PADDING, Modality, unslot
from morphoquant.hooks.collector import Collector
from morphoquant.hooks.modality_hooks import ModalityHooks
from morphoquant.hooks.row_labels import RowLabels
from morphoquant.methods.base import GroupFit
from morphoquant.quant.experts import ExpertLinear, experts_apart, fused_experts, still_fused
from morphoquant.quant.linear import quantized


class Both:
    """Fills a collector, and counts the labels of every input."""

    def __init__(self):
        self.collector, self.labels = Collector(keep_rows=4), {}

    def on_input(self, group, module, x, slots, keys):
        self.collector.on_input(group, module, x, slots, keys)
        self.labels.setdefault(group, Counter()).update(slots.tolist())

    def on_linear(self, layer, group, module, x, slots):
        assert x.shape == (len(slots), module.in_features)


class Routed:
    """What the fused experts were given, without taking them apart: hidden states and the experts of each row."""

    def __init__(self, model):
        self.given = {}
        self.handles = [
            module.register_forward_pre_hook(lambda _, args, name=name: self.given.update({name: args[:2]}))
            for name, module in fused_experts(model).items()
        ]

    def rows(self, name, index):
        hidden, chosen = self.given[name]
        return hidden[(chosen == index).any(1)]


@pytest.fixture(scope="module", params=["qwen3_vl_moe", pytest.param("qwen3_omni_moe", marks=pytest.mark.slow)])
def captured(request):
    model, batch, sequences = MIXTURES[request.param]()
    model.set_experts_implementation("eager")
    routed = Routed(model)
    with torch.no_grad():
        logits = model(**batch).logits
    for handle in routed.handles:
        handle.remove()
    observer = Both()
    with ModalityHooks(model, observer) as hooks:
        found = hooks.run(batch).logits
    return model, batch, sequences, (logits, found), routed, observer, hooks


def test_the_output_is_that_of_the_eager_experts_and_nothing_is_left(captured):
    model, _, _, (logits, found), *_ = captured
    assert torch.equal(logits, found)
    text = model.config.get_text_config()
    assert text._experts_implementation == "eager"
    assert not any(isinstance(module, ExpertLinear) for module in model.modules()) and not still_fused(model)


def test_experts_of_a_block_share_its_tokens_out(captured):
    model, batch, sequences, _, _, observer, hooks = captured
    total = Counter()
    for counts in sequences:
        total.update(counts)
    padded = int((batch["attention_mask"] == 0).sum())
    for path in fused_experts(model):
        found = Counter()
        for index in range(EXPERTS):
            for label, count in observer.labels.get(f"{path}.{index}.gate_up_proj", {}).items():
                found["padding" if label == PADDING else str(unslot(label)[0])] += count
        assert found == {"padding": padded * TOP_K} | {name: count * TOP_K for name, count in total.items()}


def test_statistics_of_an_expert_are_those_of_its_rows(captured):
    model, batch, _, _, routed, observer, _ = captured
    stats = observer.collector.stats
    shown = (batch["attention_mask"] == 1).flatten()
    for path, fused in fused_experts(model).items():
        hidden, chosen = routed.given[path]
        for index in range(EXPERTS):
            x = hidden[(chosen == index).any(1) & shown]
            if not len(x):
                continue
            rows = stats[f"{path}.{index}.gate_up_proj"].rows().values()
            for name, of in (("min", torch.amin), ("max", torch.amax)):
                extreme = torch.stack([torch.from_numpy(part.channel_stats[name].copy()) for part in rows])
                assert torch.equal(of(extreme, 0), of(x, 0))
            gate, up = nn.functional.linear(x, fused.gate_up_proj[index]).chunk(2, dim=-1)
            inner = (fused.act_fn(gate) * up).abs().amax(0)
            parts = stats[f"{path}.{index}.down_proj"].rows().values()
            largest = [torch.from_numpy(np.maximum(-part.channel_stats["min"], part.channel_stats["max"])) for part in parts]
            torch.testing.assert_close(torch.stack(largest).amax(0), inner)


def test_every_expert_is_listed_those_without_a_token_too(captured):
    model, _, _, _, routed, observer, hooks = captured
    listed = {layer.name: layer for layer in hooks.layers}
    silent = 0
    for path in fused_experts(model):
        for index in range(EXPERTS):
            names = [f"{path}.{index}.{role}" for role in ("gate_up_proj", "down_proj")]
            ran = len(routed.rows(path, index)) > 0
            silent += not ran
            for name in names:
                layer = listed[name]
                assert layer.group == name and layer.component is Component.LANGUAGE and expert_of(name) == (path, index)
                assert (name in observer.collector.stats) == ran
            assert [(listed[name].in_features, listed[name].out_features) for name in names] == [(32, 48), (24, 32)]
    assert silent


def test_a_quantised_expert_is_told_the_modality_of_its_rows(captured):
    model, batch, *_, observer, _ = captured
    image, rows_of = Modality.IMAGE, {name: {unslot(k)[0] for k in counts if k >= 0} for name, counts in observer.labels.items()}
    group = next(name for name, kinds in rows_of.items() if expert_of(name) and {Modality.TEXT, image} <= kinds)
    with experts_apart(model):
        weight = model.get_submodule(group).weight.detach()
    doubled = GroupFit(group, {group: 2 * weight})
    seen = []
    with quantized(model, {group: GroupFit(group, {group: weight}, by_modality={image: doubled})}):
        layer = model.get_submodule(group)
        layer.register_forward_hook(lambda layer, args, y: seen.append((args[0], y)))
        with ModalityHooks(model, RowLabels()) as hooks:
            hooks.run(batch)
    ((x, y),) = seen
    doubled_rows = torch.isclose(y, 2 * x @ weight.T).all(1)
    assert torch.allclose(y[~doubled_rows], x[~doubled_rows] @ weight.T)
    images = [count for label, count in observer.labels[group].items() if label >= 0 and unslot(label)[0] is image]
    assert int(doubled_rows.sum()) == sum(images) < len(x)


def test_views_of_fused_weights_follow_them(captured):
    model = captured[0]
    path, fused = next(iter(fused_experts(model).items()))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with experts_apart(model):
        linear = model.get_submodule(f"{path}.1.down_proj")
        assert linear.weight.data_ptr() == fused.down_proj[1].data_ptr() and linear.bias is None
        assert model.state_dict().keys() == before.keys()
        with experts_apart(model):
            assert model.get_submodule(f"{path}.1.down_proj") is linear
        assert model.get_submodule(f"{path}.1.down_proj") is linear


def _flavours():
    small = {"hidden_size": 32, "intermediate_size": 24}
    of = tf.models
    slow = pytest.mark.slow
    yield of.gpt_oss.modeling_gpt_oss.GptOssExperts, tf.GptOssConfig(num_local_experts=4, **small)
    yield pytest.param(of.aria.modeling_aria.AriaExperts, tf.AriaTextConfig(moe_num_experts=4, **small), marks=slow)
    nemotron = tf.NemotronHConfig(n_routed_experts=4, moe_intermediate_size=24, hidden_size=32)
    yield pytest.param(of.nemotron_h.modeling_nemotron_h.NemotronHExperts, nemotron, marks=slow)
    muse = of.muse_spark.configuration_muse_spark.MuseSparkTextConfig(
        num_local_experts=4, moe_hidden_size=32, moe_intermediate_size=24
    )
    yield pytest.param(of.muse_spark.modeling_muse_spark.MuseSparkExperts, muse, marks=slow)


@pytest.mark.parametrize(("kind", "config"), list(_flavours()), ids=lambda one: getattr(one, "__name__", ""))
def test_transposed_biased_ungated_and_normed_experts_give_what_they_give_together(kind, config):
    """Other layouts of the fused weights, on a module alone; some products are then added in another order."""
    torch.manual_seed(0)
    config._experts_implementation = "eager"
    experts = kind(config).eval()
    for parameter in experts.parameters():
        nn.init.normal_(parameter, std=0.3)
    x, chosen = torch.randn(9, 32), torch.stack([torch.randperm(4)[:2] for _ in range(9)])
    weights = torch.rand(9, 2)
    with torch.no_grad():
        together = experts(x, chosen, weights)
        with experts_apart(experts):
            apart = experts(x, chosen, weights)
            assert sum(isinstance(module, nn.Linear) for module in experts.modules()) == 8
    torch.testing.assert_close(apart, together)
    assert config._experts_implementation == "eager" and float(together.abs().max()) > 0


def test_experts_that_cannot_be_taken_apart_are_named():
    config = tf.Llama4TextConfig(num_local_experts=2, hidden_size=8, intermediate_size=8)
    block = nn.ModuleDict({"experts": tf.models.llama4.modeling_llama4.Llama4TextExperts(config)})
    assert list(still_fused(block)) == ["experts"] and not fused_experts(block)
