"""GGUF file of SmolLM2 -> state dict of the transformers LlamaModel, its configuration and its tokenizer.

Weights are dequantised with the gguf package and kept in 16-bit floats: rounding to them changes a value by at most 2^-11 of
itself, a hundredth of what the file's own 4-bit rounding did, and halves the folder.
GGUF permutes the rows of query and key for its own rotary layout; `_unpermuted` undoes that.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from gguf import GGUFReader, dequantize
from transformers import LlamaConfig

from morphoquant.models.embedded.damage import refused

_BLOCK = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}


class _Bounded(GGUFReader):
    """Reads nothing past the end of the file, where the package would walk an array of any length that the header claims."""

    def _get(self, offset: int, dtype: Any, count: int = 1, *more: Any, **named: Any) -> np.ndarray:
        if offset + np.dtype(dtype).itemsize * int(count) > len(self.data):
            raise ValueError("they end too early")
        return super()._get(offset, dtype, count, *more, **named)


@refused("language")
def llama_config(reader: GGUFReader) -> LlamaConfig:
    """The LlamaConfig that the file's header describes.

    Raises:
        ModelError: the header does not describe one.
    """
    value = {name: field.contents() for name, field in reader.fields.items() if name.startswith(("llama.", "tokenizer.ggml.bos"))}
    return LlamaConfig(
        vocab_size=value["llama.vocab_size"],
        hidden_size=value["llama.embedding_length"],
        intermediate_size=value["llama.feed_forward_length"],
        num_hidden_layers=value["llama.block_count"],
        num_attention_heads=value["llama.attention.head_count"],
        num_key_value_heads=value["llama.attention.head_count_kv"],
        max_position_embeddings=value["llama.context_length"],
        rms_norm_eps=float(np.float32(value["llama.attention.layer_norm_rms_epsilon"])),
        rope_parameters={"rope_type": "default", "rope_theta": float(value["llama.rope.freq_base"])},
        tie_word_embeddings=True,
        bos_token_id=reader.fields["tokenizer.ggml.bos_token_id"].contents(),
        eos_token_id=reader.fields["tokenizer.ggml.eos_token_id"].contents(),
        pad_token_id=reader.fields["tokenizer.ggml.padding_token_id"].contents(),
    )


@refused("language")
def llama_state(reader: GGUFReader, config: LlamaConfig) -> dict[str, torch.Tensor]:
    """State dict for `LlamaModel`, float16; the head is tied to the embeddings.

    Raises:
        ModelError: a weight is of no part of the model, or of no shape that it has.
    """
    heads = {"attn_q": config.num_attention_heads, "attn_k": config.num_key_value_heads}
    state = {}
    for tensor in reader.tensors:
        weight = dequantize(tensor.data, tensor.tensor_type)
        owner, *rest = tensor.name.split(".")
        if owner == "blk":
            block, role, ending = rest
            name = f"layers.{block}.{_BLOCK[role]}.{ending}"
            weight = _unpermuted(weight, heads[role]) if role in heads else weight
        else:
            name = {"token_embd": "embed_tokens", "output_norm": "norm"}[owner] + ".weight"
        state[name] = torch.from_numpy(np.array(weight)).to(torch.float16)
    return state


@refused("language")
def read(path: Path) -> GGUFReader:
    """Opens a GGUF file, memory-mapped.

    Raises:
        ModelError: it is none, or damaged.
    """
    return _Bounded(str(path))


def _unpermuted(weight: np.ndarray, heads: int) -> np.ndarray:
    """Rows from GGUF's interleaved rotary pairs back to the half-and-half order of transformers, [out, in]."""
    rows, columns = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)
