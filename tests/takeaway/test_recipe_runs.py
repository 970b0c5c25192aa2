"""Every kind of recipe through llm-compressor itself: read, and applied to a small random Llama."""

import os

import pytest
import torch
from fixtures.recipe_runs import BLOCKS, EXPERTS, INNER, KINDS, SILENT, WIDTH, expert_runs, recipe_runs
from fixtures.saved_models import tokenizer

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # read when the libraries are first imported
reason = "llm-compressor is not installed: .ci/recipe makes an environment with it and runs these tests"
llmcompressor = pytest.importorskip("llmcompressor", reason=reason)

from datasets import Dataset  # noqa: E402
from llmcompressor.recipe import Recipe  # noqa: E402
from transformers import LlamaConfig, LlamaForCausalLM, Qwen3MoeConfig, Qwen3MoeForCausalLM  # noqa: E402

from morphoquant.core.spec import QuantSpec  # noqa: E402
from morphoquant.store.run_store import RunStore  # noqa: E402
from morphoquant.takeaway.recipe import recipe  # noqa: E402


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return recipe_runs(tmp_path_factory.mktemp("recipes"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small random Llama as a user's folder: llm-compressor reads the model's config again from where it came."""
    torch.manual_seed(0)
    sizes = dict(hidden_size=WIDTH, intermediate_size=INNER, num_hidden_layers=BLOCKS, vocab_size=64)
    config = LlamaConfig(**sizes, num_attention_heads=4, num_key_value_heads=4, tie_word_embeddings=False)
    path = tmp_path_factory.mktemp("llama")
    LlamaForCausalLM(config).save_pretrained(path)
    return path


def tokens() -> Dataset:
    drawn = torch.randint(0, 64, (4, 16), generator=torch.Generator().manual_seed(1))
    return Dataset.from_dict({"input_ids": drawn.tolist(), "attention_mask": torch.ones_like(drawn).tolist()})


@pytest.mark.parametrize("kind", KINDS)
def test_a_recipe_is_read(made, kind, tmp_path):
    found = recipe(made[0], made[1][kind])
    for suffix in (".yaml", ".json"):
        path = tmp_path / f"recipe{suffix}"
        path.write_text(found.text(suffix))
        read = Recipe.create_instance(str(path))
        assert [type(one).__name__ for one in read.modifiers] == list(found.modifiers)


@pytest.mark.parametrize("kind", KINDS)
def test_a_recipe_quantises_what_the_run_did(made, kind, folder, tmp_path):
    if kind == "awq" and not torch.accelerator.is_available():
        pytest.skip("AWQModifier of llm-compressor 0.14.0.1 pins memory, which needs an accelerator; its recipe is read above")
    store, runs = made
    run, path = runs[kind], tmp_path / "recipe.yaml"
    path.write_text(recipe(store, run).text())
    model, ids = LlamaForCausalLM.from_pretrained(folder).eval(), torch.arange(16)[None]
    before = model(ids).logits
    llmcompressor.oneshot(
        model=model,
        tokenizer=tokenizer(),
        dataset=tokens(),
        recipe=str(path),
        num_calibration_samples=4,
        max_seq_length=16,
    )
    layers = store.open(run.plan.capture).frame("layers").set_index("layer")["group"]
    own = run.plan.fields.get("specs", {})
    for name, module in model.named_modules():
        if not isinstance(module, torch.nn.Linear) or name not in layers.index:
            continue
        spec = QuantSpec.parse("w16a16" if name == "lm_head" else own.get(layers[name], run.plan.spec))
        scheme = getattr(module, "quantization_scheme", None)
        assert (scheme is None) == (str(spec) == "w16a16"), name
        if scheme is not None:
            assert scheme.weights.num_bits == spec.w_bits
            assert (scheme.input_activations.num_bits if scheme.input_activations else 16) == spec.a_bits
    after = model(ids).logits
    assert torch.isfinite(after).all() and not torch.equal(before, after)
    assert torch.nn.functional.cosine_similarity(before.flatten(), after.flatten(), dim=0) > 0.5


def test_a_recipe_quantises_experts_one_by_one(tmp_path):
    torch.manual_seed(0)
    sizes = dict(hidden_size=WIDTH, moe_intermediate_size=INNER, intermediate_size=INNER, num_hidden_layers=BLOCKS, vocab_size=64)
    heads = dict(num_attention_heads=4, num_key_value_heads=4, head_dim=16, num_experts=EXPERTS, num_experts_per_tok=2)
    Qwen3MoeForCausalLM(Qwen3MoeConfig(**sizes, **heads, tie_word_embeddings=False)).save_pretrained(tmp_path / "model")
    model, ids = Qwen3MoeForCausalLM.from_pretrained(tmp_path / "model").eval(), torch.arange(16)[None]
    before = model(ids).logits
    store = RunStore(tmp_path / "cache")
    (tmp_path / "recipe.yaml").write_text(recipe(store, expert_runs(store)["rtn"]).text())
    llmcompressor.oneshot(
        model=model,
        tokenizer=tokenizer(),
        dataset=tokens(),
        recipe=str(tmp_path / "recipe.yaml"),
        num_calibration_samples=4,
        max_seq_length=16,
    )
    linears = {name: module for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    experts = [name for name in linears if ".experts." in name]
    assert len(experts) == BLOCKS * EXPERTS * 3
    for name, module in linears.items():
        left = name.startswith(f"{SILENT}.") or name == "lm_head"
        assert (getattr(module, "quantization_scheme", None) is None) == left, name
    after = model(ids).logits
    assert torch.isfinite(after).all() and not torch.equal(before, after)
    assert torch.nn.functional.cosine_similarity(before.flatten(), after.flatten(), dim=0) > 0.9
