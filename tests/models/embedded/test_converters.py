"""Each converter against a small file of its format, written from a random model of the stock class."""

import io

import numpy as np
import onnx
import pytest
import torch
from models.embedded.small_weights import small_dinov2, small_llama, small_whisper
from onnx import helper, numpy_helper

from morphoquant.core.errors import ModelError
from morphoquant.models.embedded import gguf_llama
from morphoquant.models.embedded.ct2_whisper import encoder_state
from morphoquant.models.embedded.onnx_dinov2 import backbone_state


def same(found, expected, atol=0.0):
    assert set(found) == set(expected)
    for name, value in expected.items():
        torch.testing.assert_close(found[name].float(), value.float(), atol=atol, rtol=0, msg=name)


def test_ctranslate2_gives_the_whisper_encoder():
    state, content = small_whisper()
    same(encoder_state(io.BytesIO(content)), state)


@pytest.mark.parametrize(("harm", "said"), [(lambda c: c[:-1], "end too early"), (lambda c: b"\5" + c[1:], "version 5")])
def test_refuses_a_damaged_container(harm, said):
    with pytest.raises(ModelError, match=said):
        encoder_state(io.BytesIO(harm(small_whisper()[1])))


@pytest.mark.parametrize("blocks", [None, 1])
def test_onnx_gives_the_dinov2_model(blocks):
    state, content = small_dinov2()
    if blocks:
        state = {name: value for name, value in state.items() if not name.startswith("encoder.layer.1.")}
    same(backbone_state(content, blocks), state)


def test_onnx_without_positions_is_refused():
    weights = numpy_helper.from_array(np.zeros((1, 1, 4), np.float32), "backbone.embeddings.cls_token")
    content = helper.make_model(helper.make_graph([], "vit", [], [], [weights])).SerializeToString()
    assert onnx.load_model_from_string(content).graph.initializer
    with pytest.raises(ModelError, match="no table of positions"):
        backbone_state(content)


def test_gguf_gives_the_llama_model(tmp_path):
    path = tmp_path / "small.gguf"
    expected, config = small_llama(path)
    reader = gguf_llama.read(path)
    read = gguf_llama.llama_config(reader)
    for field in ("hidden_size", "intermediate_size", "num_key_value_heads", "rms_norm_eps", "rope_parameters", "vocab_size"):
        assert getattr(read, field) == pytest.approx(getattr(config, field)), field
    same(gguf_llama.llama_state(reader, read), expected)


@pytest.mark.parametrize("kept", [0, 20, 700, 3000])
def test_refuses_a_gguf_file_cut_short(tmp_path, kept):
    path = tmp_path / "small.gguf"
    small_llama(path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ModelError, match="language weights cannot be read"):
        reader = gguf_llama.read(path)
        gguf_llama.llama_state(reader, gguf_llama.llama_config(reader))


def test_an_array_longer_than_its_file_is_refused_at_once(tmp_path):
    """Its length is walked by the gguf package, one element at a time, past the end."""
    path = tmp_path / "long.gguf"
    key = b"a"
    head = b"GGUF" + np.array([3], "<u4").tobytes() + np.array([0, 1, len(key)], "<u8").tobytes() + key
    path.write_bytes(head + np.array([9, 4], "<u4").tobytes() + np.array([2**50], "<u8").tobytes())
    with pytest.raises(ModelError, match="end too early"):
        gguf_llama.read(path)
