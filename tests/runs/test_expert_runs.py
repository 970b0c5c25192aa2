"""Experts of a mixture through capture, coverage and quantisation, by the usual tables."""

import pytest
import torch
import transformers as tf
from fixtures.pairs import pairs

import morphoquant
from morphoquant.core.errors import ModelError
from morphoquant.core.layers import expert_of
from morphoquant.core.selection import Selection
from morphoquant.hooks.modality_hooks import ModalityHooks
from morphoquant.quant.experts import ExpertLinear
from morphoquant.quant.linear import QuantizedLinear
from morphoquant.queries.depth import depth_profile
from morphoquant.queries.experts import expert_tokens, silent_experts
from morphoquant.runs.fitting import fit
from morphoquant.runs.identity import model_identity
from morphoquant.runs.inputs import CalibrationInputs
from morphoquant.runs.quantised_model import quantised_model
from morphoquant.runs.scope import parts_of
from morphoquant.store.run_store import RunStore

EXPERTS, TOP_K, BLOCKS = 8, 2, 2


def mixture():
    torch.manual_seed(0)
    config = tf.Qwen3MoeConfig(
        vocab_size=50,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=BLOCKS,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=8,
        num_experts=EXPERTS,
        num_experts_per_tok=TOP_K,
        moe_intermediate_size=12,
    )
    return tf.Qwen3MoeForCausalLM(config).eval()


def batches(seed, count=4, tokens=4):
    generator = torch.Generator().manual_seed(seed)
    return [{"input_ids": torch.randint(3, 50, (1, tokens), generator=generator)} for _ in range(count)]


@pytest.fixture(scope="module")
def model():
    return mixture()


@pytest.fixture(scope="module")
def setting(model, tmp_path_factory):
    store = RunStore(tmp_path_factory.mktemp("cache"))
    return store, morphoquant.capture(model, batches(1), store=store, keep_rows=8)


@pytest.fixture(scope="module")
def quantised(model, setting):
    store, capture = setting
    return measured(model, store, capture, "rtn@w4a4-token")[0]


def measured(model, store, capture, *texts):
    data = {"id": "tiny", "fingerprint": "x", "samples": 6}
    identity = model_identity(model)
    return morphoquant.quantize(model, capture, batches(9, 6), pairs(*texts), store=store, identity=identity, data=data)


def seen_by_expert(run, role):
    frame = run.frame("channel_stats", ["group", "channel", "count"], {"channel": 0})
    frame = frame[frame["group"].str.endswith(f".{role}")]
    return frame.groupby("group")["count"].sum()


def test_the_tables_hold_every_expert_and_its_tokens(setting):
    _, capture = setting
    layers = capture.frame("layers")
    experts = layers[layers["layer"].map(expert_of).notna()]
    assert len(experts) == BLOCKS * EXPERTS * 2 and set(experts["role"]) == {"gate_up_proj", "down_proj"}
    assert sorted(experts["block"].unique()) == [0, 1]
    for role in ("gate_up_proj", "down_proj"):
        assert seen_by_expert(capture, role).sum() == BLOCKS * 4 * 4 * TOP_K
    silent = silent_experts(capture)
    named = {path: set(map(int, row.split())) for path, row in zip(silent["experts"], silent["silent"], strict=True)}
    seen = {expert_of(group) for group in seen_by_expert(capture, "gate_up_proj").index}
    for path, numbers in named.items():
        assert numbers == {number for number in range(EXPERTS) if (path, number) not in seen}
    assert any(named.values()) and list(silent["numbered"]) == [EXPERTS] * BLOCKS
    tokens = expert_tokens(capture)
    assert len(tokens) == BLOCKS * EXPERTS and list(tokens.columns[2:]) == ["all", "text"]
    assert (tokens.groupby("experts")["all"].sum() == 4 * 4 * TOP_K).all()
    assert {(row.experts, row.expert) for row in tokens.itertuples() if row.all} == seen
    profile = depth_profile(capture, Selection(role="down_proj"), "absmax")
    assert {expert_of(name) for name in profile["layer"]} <= seen


def test_experts_are_quantised_one_by_one_and_those_without_tokens_are_named(model, setting, quantised):
    _, capture = setting
    unseen = {name for name in capture.frame("layers")["layer"] if expert_of(name) and name not in seen_linears(capture)}
    assert unseen and set(quantised.header.summary["unseen"]) == unseen
    assert not unseen & set(quantised.frame("layers")["layer"])
    errors = quantised.frame("errors", where={"tap": "output", "source": "both"})
    measured = {name for name in errors["layer"] if expert_of(name)}
    assert measured and measured <= seen_linears(capture)
    name = min(measured)
    rows = []
    with ModalityHooks(model, Rows(name, rows)) as hooks:
        for batch in batches(9, 6):
            hooks.run(batch)
        weight = model.get_submodule(name).weight.detach()
    x = torch.cat(rows)
    step, scale = x.abs().amax(1, keepdim=True) / 7, weight.abs().amax(1, keepdim=True) / 7
    off = x @ weight.T - (x / step).round().clamp(-8, 7) * step @ ((weight / scale).round().clamp(-8, 7) * scale).T
    assert errors.loc[errors["layer"] == name, "error_sq"].sum() == pytest.approx(float(off.square().sum()), rel=1e-4)


def seen_linears(capture):
    groups = set(capture.frame("channel_stats", ["group"])["group"])
    layers = capture.frame("layers")
    return set(layers.loc[layers["group"].isin(groups), "layer"])


class Rows:
    def __init__(self, name, rows):
        self.name, self.rows = name, rows

    def on_input(self, group, module, x, slots, keys):
        if group == self.name:
            self.rows.append(x.clone())


def test_the_whole_model_runs_with_quantised_experts(model, setting):
    _, capture = setting
    said = []
    inputs = CalibrationInputs(capture, model, parts_of(["language"]))
    (fits,) = fit(pairs("rtn@w4a4-token"), inputs, lambda stage, done, total: said.append(stage))
    assert any("saw no token stay in full precision" in stage for stage in said)
    batch = batches(9, 1)[0]
    with torch.no_grad():
        before = model(**batch).logits
        with quantised_model(model, fits):
            kinds = {name: type(model.get_submodule(name)) for name in capture.frame("layers")["layer"] if expert_of(name)}
            assert {name for name, kind in kinds.items() if kind is ExpertLinear} == set(inputs.unseen)
            assert set(kinds.values()) == {ExpertLinear, QuantizedLinear}
            inside = model(**batch).logits
        after = model(**batch).logits
    assert torch.equal(before, after) and not torch.allclose(before, inside, atol=1e-3)
    assert not any(isinstance(module, ExpertLinear) for module in model.modules())


@pytest.mark.slow
def test_methods_that_look_at_tokens_and_at_blocks_take_experts_too(model, setting):
    store, capture = setting
    texts = ("gptq@w4a8", "awq@w4a16", "smoothquant@w8a8", "quarot@w4a4", "morphoquant@w4a4", "omniquant@w4a8")
    for run in measured(model, store, capture, *texts):
        errors = run.frame("errors", where={"tap": "output"})
        experts = errors[errors["layer"].map(expert_of).notna()]
        assert set(experts["layer"]) <= seen_linears(capture) and len(set(experts["layer"])) > EXPERTS
        assert (experts["error_sq"] > 0).any() and experts["error_sq"].notna().all()


def test_a_run_of_another_model_is_refused_by_name(setting):
    _, capture = setting
    with pytest.raises(ModelError, match="has no linear"):
        CalibrationInputs(capture, torch.nn.Sequential(torch.nn.Linear(2, 2)), parts_of(["language"]))
