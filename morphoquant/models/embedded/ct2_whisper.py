"""CTranslate2 model.bin (version 6) -> state dict of the transformers WhisperEncoder.

The container is a list of named arrays. Query, key and value weights are joined by rows; Whisper's key has no bias, so
its third of the joined bias is zero. Positions, convolutions and norms are stored as they are.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import torch

from morphoquant.core.errors import ModelError
from morphoquant.models.embedded.damage import refused

_TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
_JOINED = ("q_proj", "k_proj", "v_proj")


def read_arrays(file: BinaryIO, prefix: str = "") -> Iterator[tuple[str, np.ndarray]]:
    """(name, array) of every variable whose name starts with `prefix`, in file order.

    Raises:
        ModelError: the file is not a CTranslate2 container of version 6.
    """
    version = _number(file, "<I")
    if version != 6:
        raise ModelError(f"the audio weights are a CTranslate2 file of version {version}: only version 6 can be read.")
    _text(file)  # name of the specification
    _number(file, "<I")  # its revision
    for _ in range(_number(file, "<I")):
        name = _text(file)
        shape = [_number(file, "<I") for _ in range(_number(file, "<B"))]
        kind = _number(file, "<B")
        content = _take(file, _number(file, "<I"))
        if name.startswith(prefix):
            if kind not in _TYPES:
                raise ModelError(f"the audio weights hold {name!r} in an unknown number format ({kind}): download them again.")
            yield name, np.frombuffer(content, dtype=_TYPES[kind]).reshape(shape)


@refused("audio")
def encoder_state(file: BinaryIO) -> dict[str, torch.Tensor]:
    """State dict for `WhisperEncoder`, in the 16-bit type that the file has.

    Raises:
        ModelError: the file is not a CTranslate2 container of version 6, or holds no such encoder.
    """
    state: dict[str, torch.Tensor] = {}
    for name, array in read_arrays(file, "encoder/"):
        if array.dtype != np.float16:  # num_heads and flags
            continue
        value = torch.from_numpy(array.copy())
        parts = name.split("/")[1:]
        if not parts[0].startswith("layer_") or parts[0] == "layer_norm":
            state[_outside(parts)] = value
        elif parts[1:3] == ["self_attention", "linear_0"]:
            for role, rows in zip(_JOINED, value.chunk(3, dim=0), strict=True):
                if (role, parts[3]) != ("k_proj", "bias"):
                    state[f"layers.{parts[0][6:]}.self_attn.{role}.{parts[3]}"] = rows.clone()
        else:
            state[f"layers.{parts[0][6:]}.{_INSIDE['/'.join(parts[1:3])]}.{_ENDING.get(parts[3], parts[3])}"] = value
    return state


_ENDING = {"gamma": "weight", "beta": "bias", "encodings": "weight"}
_INSIDE = {
    "self_attention/linear_1": "self_attn.out_proj",
    "self_attention/layer_norm": "self_attn_layer_norm",
    "ffn/linear_0": "fc1",
    "ffn/linear_1": "fc2",
    "ffn/layer_norm": "final_layer_norm",
}


def _outside(parts: list[str]) -> str:
    owner = {"position_encodings": "embed_positions"}.get(parts[0], parts[0])
    return f"{owner}.{_ENDING.get(parts[1], parts[1])}"


def _take(file: BinaryIO, count: int) -> bytes:
    content = file.read(count)
    if len(content) != count:
        raise ModelError("the audio weights end too early: the file is damaged, download it again.")
    return content


def _number(file: BinaryIO, form: str) -> int:
    return struct.unpack(form, _take(file, struct.calcsize(form)))[0]


def _text(file: BinaryIO) -> str:
    return _take(file, _number(file, "<H"))[:-1].decode()
