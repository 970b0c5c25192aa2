import json

import numpy as np
import pytest
import torch
import transformers as tf
from fixtures.saved_models import save_llama, save_llava
from torch import nn

from morphoquant.core.errors import BatchError, ModelError
from morphoquant.core.modality import Modality
from morphoquant.data.sample import Part, Sample
from morphoquant.models.load import check_linear, load
from morphoquant.models.pretrained import auto_class, check_torchvision

SAMPLE = Sample(
    "0",
    "mixed",
    (
        Part(Modality.TEXT, "look"),
        Part(Modality.IMAGE, np.zeros((20, 30, 3), np.uint8)),
        Part(Modality.AUDIO, np.ones(1600, np.float32) * 0.1),
        Part(Modality.TEXT, "what is it"),
    ),
    "nothing",
)


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    return save_llama(tmp_path_factory.mktemp("llama"))


@pytest.fixture(scope="module")
def llava(tmp_path_factory):
    return save_llava(tmp_path_factory.mktemp("llava"))


@pytest.fixture
def copy(llama, tmp_path):
    for path in llama.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def test_loads_a_text_model_and_leaves_other_media_out(llama, tmp_path):
    said = []
    loaded = load(str(llama), tmp_path, progress=lambda *state: said.append(state[0]))
    assert type(loaded.model).__name__ == loaded.identity["class"] == "LlamaForCausalLM"
    assert loaded.modalities == {Modality.TEXT}
    assert next(loaded.model.parameters()).dtype == torch.float32 and not loaded.model.training
    assert any("takes no image, audio, video" in words for words in said)
    batch = loaded.encode([SAMPLE, Sample("1", "short", (Part(Modality.TEXT, "hi"),))])
    assert set(batch) == {"input_ids", "attention_mask"}
    with torch.inference_mode():
        assert loaded.model(**batch).logits.shape[:2] == batch["input_ids"].shape
    words = loaded.encode.processor.decode(batch["input_ids"][0])
    assert "look" in words and "what is it" in words and "nothing" in words and "<image>" not in words
    assert loaded.encode.processor.convert_tokens_to_ids("<|im_start|>") in loaded.control.ids


def test_loads_a_model_of_text_and_images(llava, tmp_path):
    loaded = load(str(llava), tmp_path)
    assert loaded.identity["class"] == "LlavaForConditionalGeneration"
    assert loaded.modalities == {Modality.TEXT, Modality.IMAGE}
    batch = loaded.encode([SAMPLE])
    assert (batch["input_ids"] == 3).sum() == 4
    assert batch["pixel_values"].shape == (1, 3, 16, 16)
    with torch.inference_mode():
        assert torch.isfinite(loaded.model(**batch).logits).all()


def test_identity_names_every_file(llama, tmp_path):
    identity = load(str(llama), tmp_path).identity
    assert identity["id"] == str(llama) and identity["revision"] is None
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= set(identity["files"])
    assert all(len(digest) == 64 for digest in identity["files"].values())


def test_identity_follows_the_weights(copy, tmp_path):
    before = load(str(copy), tmp_path).identity["files"]
    model = tf.LlamaForCausalLM.from_pretrained(copy)
    model.model.norm.weight.data += 1
    model.save_pretrained(copy)
    after = load(str(copy), tmp_path).identity["files"]
    assert [name for name in before if before[name] != after[name] and name.endswith(".safetensors")] == ["model.safetensors"]


def test_nothing_left_of_a_sample_is_an_error(llama, tmp_path):
    loaded = load(str(llama), tmp_path)
    with pytest.raises(BatchError, match="nothing is left of sample '7': the model takes text only"):
        loaded.encode([Sample("7", "image", SAMPLE.parts[1:2])])


def refused(copy, tmp_path, said):
    with pytest.raises(ModelError, match=said) as failed:
        load(str(copy), tmp_path)
    assert "\n" not in str(failed.value)


@pytest.mark.parametrize("name", ["./no-such-folder", "/no/such/folder", "a/b/c", "../up"])
def test_unknown_folder(name, tmp_path):
    with pytest.raises(ModelError, match="there is no model folder"):
        load(name, tmp_path)


def test_folder_without_config(copy, tmp_path):
    (copy / "config.json").unlink()
    refused(copy, tmp_path, "holds no config.json")


def test_config_of_an_unknown_kind(copy, tmp_path):
    (copy / "config.json").write_text(json.dumps({"model_type": "of-the-future"}))
    refused(copy, tmp_path, "configuration of .* cannot be read")


def test_pickled_weights_are_refused_unread(copy, tmp_path):
    (copy / "model.safetensors").unlink()
    (copy / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    refused(copy, tmp_path, "pickled ones .* are refused")


def test_truncated_weights(copy, tmp_path):
    path = copy / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    refused(copy, tmp_path, "the weights file model.safetensors of .* is damaged")


def test_missing_processor(copy, tmp_path):
    for path in copy.glob("tokenizer*"):
        path.unlink()
    refused(copy, tmp_path, "processor of .* cannot be read")


def test_hub_out_of_reach(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelError, match="nobody/nothing is not in the local cache and the hub cannot be reached"):
        load("nobody/nothing", tmp_path)


def test_broken_torchvision_is_named(tmp_path, monkeypatch):
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModelError, match="torchvision is installed but does not import"):
        check_torchvision()


def test_model_without_linear():
    with pytest.raises(ModelError, match="has no nn.Linear"):
        check_linear(nn.Sequential(nn.Conv1d(1, 1, 1)), "convolutions")
    check_linear(nn.Sequential(nn.Linear(1, 1)), "fine")


def test_omni_models_are_read_through_their_thinker():
    from morphoquant.models.placeholders import reading_config

    config = tf.models.qwen2_5_omni.configuration_qwen2_5_omni.Qwen2_5OmniConfig()
    assert auto_class(reading_config(config)) is tf.AutoModelForMultimodalLM
    assert type(reading_config(config)).__name__ == "Qwen2_5OmniThinkerConfig"


@pytest.mark.parametrize(("field", "value"), [("num_attention_heads", 5), ("hidden_size", "x"), ("num_hidden_layers", None)])
def test_a_configuration_that_cannot_be_is_one_sentence(field, value, tmp_path):
    folder = save_llama(tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, field: value}))
    with pytest.raises(ModelError, match="config.json") as told:
        load(str(folder), tmp_path)
    assert "\n" not in str(told.value) and str(told.value).endswith(".")
