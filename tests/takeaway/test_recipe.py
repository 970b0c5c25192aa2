"""Recipes: which linears they name, what each method becomes, and what is refused."""

import json
import re

import pytest
import yaml
from fixtures.recipe_runs import BLOCKS, DOWN, EXPERTS, KINDS, SILENT, expert_runs, quantised, recipe_runs
from hypothesis import given, settings
from hypothesis import strategies as st

from morphoquant.core.errors import MorphoQuantError
from morphoquant.store.run_store import RunStore
from morphoquant.takeaway.recipe import excluded, excluded_text, recipe
from morphoquant.takeaway.recipe_schemes import RecipeError
from morphoquant.takeaway.recipe_targets import pattern_by_role, patterns

NAMES = st.builds(
    lambda tower, block, role: f"model.{tower}.{block}.{role}" if block is not None else f"model.{tower}.{role}",
    st.sampled_from(["layers", "vision-tower.blocks", "experts.3.w"]),
    st.none() | st.integers(0, 120),
    st.sampled_from(["mlp.down_proj", "mlp.down_proj2", "q_proj"]),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return recipe_runs(tmp_path_factory.mktemp("recipes"))


def matches(target: str, name: str) -> bool:
    return bool(re.match(target[3:], name)) if target.startswith("re:") else target == name


@settings(deadline=None, max_examples=40)
@given(st.lists(NAMES, unique=True), st.lists(NAMES, unique=True))
def test_targets_match_the_names_and_no_others(names, others):
    for targets in (patterns(names), pattern_by_role(names)):
        for name in {*names, *others}:
            assert any(matches(target, name) for target in targets) == (name in names)


@pytest.mark.parametrize("kind", KINDS)
def test_every_quantised_linear_has_one_scheme(made, kind):
    store, runs = made
    found = recipe(store, runs[kind])
    *_, args = found.modifiers.values()
    targets = [target for group in args["config_groups"].values() for target in group["targets"]]
    layers = store.open(runs[kind].plan.capture).frame("layers")["layer"]
    kept = set(excluded(store, runs[kind]))
    assert "lm_head" in kept and all(any(matches(target, name) for target in args["ignore"]) for name in kept)
    for name in layers:
        assert sum(matches(target, name) for target in targets) == (name not in kept)
    assert yaml.safe_load(found.text()) == json.loads(found.text(".json")) == found.data()
    assert found.text().startswith(f"# {runs[kind].run_id}: ")


def test_groups_with_a_spec_of_their_own_have_a_scheme_of_their_own(made):
    store, runs = made
    found = recipe(store, runs["allocated"]).modifiers["QuantizationModifier"]
    bits = {group["targets"][0]: group["weights"]["num_bits"] for group in found["config_groups"].values()}
    assert bits.pop(DOWN) == 8 and set(bits.values()) == {4}
    assert "model.layers.0.self_attn.o_proj" in excluded(store, runs["allocated"])


def test_methods_become_modifiers_with_their_fields(made):
    store, runs = made
    found = {kind: recipe(store, run).modifiers for kind, run in runs.items()}
    assert list(found["combined"]) == ["SmoothQuantModifier", "GPTQModifier"]
    assert found["smoothquant"]["SmoothQuantModifier"]["smoothing_strength"] == 0.6
    assert (found["gptq"]["GPTQModifier"]["dampening_frac"], found["gptq"]["GPTQModifier"]["actorder"]) == (0.02, "static")
    assert found["combined"]["GPTQModifier"]["actorder"] is None
    above = [one["smooth_layer"].rpartition(".")[2] for one in found["awq"]["AWQModifier"]["mappings"]]
    assert above == ["input_layernorm$", "post_attention_layernorm$", "up_proj$"]
    assert found["quarot"]["QuIPModifier"]["rotations"] == ["v"]
    assert any("Not smoothed there" in remark for remark in recipe(store, runs["smoothquant"]).remarks)


@pytest.mark.parametrize(
    ("method", "fields", "spec", "reason"),
    [
        ("dabc", {}, "w4a4", "dabc keeps large values of outlier channels in full precision"),
        ("mdqfo", {}, "w4a4", "a recipe holds no scales"),
        ("smoothquant+mdqfo", {}, "w4a4", "mdqfo finds bounds for each input channel"),
        ("masquant", {}, "w4a4-token", "does not tell modalities apart"),
        ("morphomodal", {}, "w4a4", "morphomodal keeps large values of outlier channels in full precision"),
        ("easyquant", {}, "w4a4-token", "easyquant searches a clip of each input"),
        ("rtn", {}, "w4a4", "'w4a4' has one static range for each input channel"),
        ("rtn", {"clip": 0.9}, "w4a4-token", "nothing like rtn:clip=0.9"),
        ("rtn", {}, "w4a16-nf4", "compressed-tensors has no nf4 weights"),
        ("rtn", {}, "w8a8-hif8", "no hif8"),
        ("spinquant", {"steps": 20}, "w4a4-token", "does not learn its rotations"),
        ("smoothquant", {"search": True}, "w4a4-token", "nothing like smoothquant:search=True"),
        ("rtn", {}, "w16a16", "leaves every linear in full precision"),
    ],
)
def test_what_has_no_counterpart_is_refused_in_one_sentence(made, method, fields, spec, reason):
    store, runs = made
    capture = store.open(runs["rtn"].plan.capture)
    with pytest.raises(RecipeError, match=re.escape(reason)) as refused:
        recipe(store, quantised(store, capture, method, fields, spec, {}))
    assert str(refused.value).count("simulated here only") == 1 and "\n" not in str(refused.value)


def test_every_method_has_a_recipe_or_a_reason(made):
    from morphoquant.core.offered import NAMES as OFFERED

    store, runs = made
    capture = store.open(runs["rtn"].plan.capture)
    for name in OFFERED:
        run = quantised(store, capture, name, {}, "w4a4-token", {}, of=name)
        try:
            assert recipe(store, run).modifiers
        except RecipeError as refused:
            assert f"llm-compressor has no {name}" not in str(refused)


def test_exclusions_are_of_any_quantised_run_and_of_no_other(made):
    store, runs = made
    names = excluded(store, runs["rtn"])
    assert json.loads(excluded_text(runs["rtn"], names, ".json")) == {"ignore": names}
    with pytest.raises(RecipeError, match="is a capture run that quantises no model"):
        excluded(store, store.open(runs["rtn"].plan.capture))
    with pytest.raises(MorphoQuantError, match="cannot write a recipe as .toml"):
        excluded_text(runs["rtn"], names, ".toml")


def test_experts_are_named_as_llm_compressor_takes_them_apart(tmp_path):
    store = RunStore(tmp_path)
    runs = expert_runs(store)
    found = recipe(store, runs["rtn"]).modifiers["QuantizationModifier"]
    targets = [target for group in found["config_groups"].values() for target in group["targets"]]
    for block in range(BLOCKS):
        for expert in range(EXPERTS):
            base = f"model.layers.{block}.mlp.experts.{expert}"
            for role in ("gate_proj", "up_proj", "down_proj"):
                silent = base == SILENT
                assert any(matches(target, f"{base}.{role}") for target in targets) != silent
                assert any(matches(target, f"{base}.{role}") for target in found["ignore"]) == silent
            assert not any(matches(target, f"{base}.gate_up_proj") for target in [*targets, *found["ignore"]])
    assert excluded(store, runs["rtn"]) == [f"{SILENT}.{role}" for role in ("gate_proj", "up_proj", "down_proj")]
    smoothed = recipe(store, runs["smoothquant"])
    (mapping,) = smoothed.modifiers["SmoothQuantModifier"]["mappings"]
    assert mapping[1].endswith("input_layernorm$"), "what stands before an expert's linears stands before all experts'"
    assert any("Not smoothed there" in remark and "gate_proj" in remark for remark in smoothed.remarks)
