"""Small files of the formats that the embedded model's weights come in, written from random models of the stock classes."""

import struct
from pathlib import Path

import gguf
import numpy as np
import torch
from onnx import TensorProto, helper, numpy_helper
from transformers import Dinov2Config, Dinov2Model, LlamaConfig, LlamaModel, WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from morphoquant.models.embedded import gguf_llama

State = dict[str, torch.Tensor]


def container(arrays: dict[str, np.ndarray], version: int = 6) -> bytes:
    """A CTranslate2 file of float16 arrays."""
    text = lambda words: struct.pack("<H", len(words) + 1) + words.encode() + b"\0"  # noqa: E731
    content = struct.pack("<I", version) + text("WhisperSpec") + struct.pack("<II", 3, len(arrays))
    for name, array in arrays.items():
        content += text(name) + struct.pack("<B", array.ndim) + struct.pack(f"<{array.ndim}I", *array.shape)
        content += struct.pack("<BI", 4, array.nbytes) + array.tobytes()
    return content


def small_whisper() -> tuple[State, bytes]:
    """The state of an encoder of two blocks, and a CTranslate2 file of it with an array of a decoder."""
    torch.manual_seed(0)
    config = WhisperConfig(
        d_model=8, encoder_layers=2, encoder_attention_heads=2, encoder_ffn_dim=12, num_mel_bins=4, max_source_positions=10
    )
    state = {name: torch.randn_like(value).half() for name, value in WhisperEncoder(config).state_dict().items()}
    half = {name: value.numpy() for name, value in state.items()}
    arrays = {"decoder/embeddings/weight": np.zeros((3, 2), np.float16)}
    for own, other in (("conv1", "conv1"), ("conv2", "conv2")):
        for kind in ("weight", "bias"):
            arrays[f"encoder/{own}/{kind}"] = half[f"{other}.{kind}"]
    arrays["encoder/position_encodings/encodings"] = half["embed_positions.weight"]
    norms = {"self_attention/layer_norm": "self_attn_layer_norm", "ffn/layer_norm": "final_layer_norm"}
    plain = {"self_attention/linear_1": "self_attn.out_proj", "ffn/linear_0": "fc1", "ffn/linear_1": "fc2"}
    for layer in range(2):
        for own, other in norms.items():
            arrays[f"encoder/layer_{layer}/{own}/gamma"] = half[f"layers.{layer}.{other}.weight"]
            arrays[f"encoder/layer_{layer}/{own}/beta"] = half[f"layers.{layer}.{other}.bias"]
        for own, other in plain.items():
            arrays[f"encoder/layer_{layer}/{own}/weight"] = half[f"layers.{layer}.{other}.weight"]
            arrays[f"encoder/layer_{layer}/{own}/bias"] = half[f"layers.{layer}.{other}.bias"]
        heads = [half[f"layers.{layer}.self_attn.{role}_proj.weight"] for role in "qkv"]
        arrays[f"encoder/layer_{layer}/self_attention/linear_0/weight"] = np.concatenate(heads)
        query, value = (half[f"layers.{layer}.self_attn.{role}_proj.bias"] for role in "qv")
        arrays[f"encoder/layer_{layer}/self_attention/linear_0/bias"] = np.concatenate([query, np.zeros_like(query), value])
    arrays["encoder/layer_norm/gamma"], arrays["encoder/layer_norm/beta"] = half["layer_norm.weight"], half["layer_norm.bias"]
    return state, container(arrays)


def small_dinov2() -> tuple[State, bytes]:
    """The state of a backbone of two blocks, and an ONNX file of it as exports fold and name it."""
    torch.manual_seed(0)
    config = Dinov2Config(hidden_size=12, num_hidden_layers=2, num_attention_heads=2, image_size=28, use_mask_token=False)
    state = {name: torch.randn_like(value) for name, value in Dinov2Model(config).state_dict().items()}
    exported = {"q_proj": "attention.query", "k_proj": "attention.key", "v_proj": "attention.value", "o_proj": "output.dense"}
    arrays, nodes = {}, []
    for name, value in state.items():
        for new, old in exported.items():
            name = name.replace(f"attention.{new}", f"attention.{old}")
        if name.endswith("position_embeddings"):
            arrays["onnx::Concat_1"], arrays["onnx::Reshape_2"] = value[:, :1].numpy(), value[:, 1:].numpy()
        elif value.ndim == 2:
            arrays[f"onnx::MatMul_{len(nodes)}"] = value.numpy().T.copy()
            path = f"/backbone/{name.removesuffix('.weight').replace('.', '/').replace('layer/', 'layer.')}/MatMul"
            nodes.append(helper.make_node("MatMul", ["x", f"onnx::MatMul_{len(nodes)}"], [f"y{len(nodes)}"], name=path))
        else:
            arrays[f"backbone.{name}"] = value.numpy()
    arrays["decoder.final_conv.bias"] = np.zeros(1, np.float32)
    graph = helper.make_graph(
        nodes,
        "vit",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])],
        [],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    return state, helper.make_model(graph).SerializeToString()


def small_llama(path: Path) -> tuple[State, LlamaConfig]:
    """Writes a GGUF file of a model of two blocks; its state after the file's rounding, and its configuration."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=16,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": 1e5},
    )
    state = {name: torch.randn_like(value) for name, value in LlamaModel(config).state_dict().items()}
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_vocab_size(16)
    writer.add_embedding_length(32)
    writer.add_feed_forward_length(64)
    writer.add_block_count(2)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_context_length(64)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(1e5)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(2)
    names = {f"{own}.": f"{other}." for other, own in gguf_llama._BLOCK.items()}
    expected = {}
    for name, value in state.items():
        if not name.startswith("layers."):
            other, kind = {"embed_tokens.weight": ("token_embd.weight", "Q8_0"), "norm.weight": ("output_norm.weight", "F32")}[
                name
            ]
        else:
            _, block, rest = name.split(".", 2)
            own = next(o for o in names if rest.startswith(o))
            other, kind = f"blk.{block}.{names[own]}weight", "Q4_1" if value.ndim == 2 else "F32"
        array = value.numpy()
        if ".attn_q." in other or ".attn_k." in other:
            heads = 4 if ".attn_q." in other else 2
            # llama.cpp's order: the two halves of each head interleaved
            array = array.reshape(heads, 2, len(array) // heads // 2, -1).swapaxes(1, 2).reshape(array.shape)
        if kind == "F32":
            writer.add_tensor(other, array)
            expected[name] = value.half()
            continue
        form = gguf.GGMLQuantizationType[kind]
        packed = gguf.quantize(np.ascontiguousarray(array), form)
        writer.add_tensor(other, packed, raw_dtype=form)
        # Rounding works on blocks within a row, so the order of rows does not change it.
        rounded = gguf.dequantize(gguf.quantize(value.numpy(), form), form)
        expected[name] = torch.from_numpy(rounded).half()
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return expected, config
