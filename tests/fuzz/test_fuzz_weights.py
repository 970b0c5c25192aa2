"""Heads of weights files: GGUF, CTranslate2, ONNX and safetensors, ten thousand inputs each."""

import io
import json

import numpy as np
import pytest
import torch
from fuzz.inputs import Good, fuzzed
from models.embedded.small_weights import small_dinov2, small_llama, small_whisper
from safetensors.torch import save

from morphoquant.core.errors import ModelError
from morphoquant.models.embedded import gguf_llama
from morphoquant.models.embedded.ct2_whisper import encoder_state
from morphoquant.models.embedded.onnx_dinov2 import backbone_state
from morphoquant.models.weights import check_weights

pytestmark = pytest.mark.slow


def test_gguf(tmp_path):
    path = tmp_path / "small.gguf"
    small_llama(path)

    def read(content: bytes) -> None:
        path.write_bytes(content)
        reader = gguf_llama.read(path)
        gguf_llama.llama_state(reader, gguf_llama.llama_config(reader))

    whole = path.read_bytes()
    fuzzed("GGUF", read, Good(whole[:1500]), Good(whole))


def test_ctranslate2():
    _, content = small_whisper()
    fuzzed("CTranslate2", lambda changed: encoder_state(io.BytesIO(changed)), Good(content))


def test_onnx():
    _, content = small_dinov2()
    fuzzed("ONNX", backbone_state, Good(content))


def test_safetensors(tmp_path):
    path, index = tmp_path / "model.safetensors", tmp_path / "model.safetensors.index.json"
    whole = save({"a.weight": torch.ones(3, 2), "b.bias": torch.zeros(4, dtype=torch.float16)}, {"format": "pt"})
    listing = json.dumps({"metadata": {"total_size": 32}, "weight_map": {"a.weight": path.name, "b.bias": path.name}}).encode()

    def read(contents: tuple[bytes, bytes]) -> None:
        for file, content in zip((path, index), contents, strict=True):
            file.write_bytes(content)
        check_weights(tmp_path, "a model")

    fuzzed("safetensors", read, Good(whole, lambda content: (content, listing)), Good(listing, lambda content: (whole, content)))


def test_what_is_read_of_a_changed_file_is_finite_in_shape():
    """The targets above do read the good files: nothing is refused for its own sake."""
    state, content = small_whisper()
    found = encoder_state(io.BytesIO(content))
    assert {name: tuple(value.shape) for name, value in found.items()} == {n: tuple(v.shape) for n, v in state.items()}
    with pytest.raises(ModelError):
        encoder_state(io.BytesIO(np.zeros(9, np.uint8).tobytes()))
