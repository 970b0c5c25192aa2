"""What a live model and its batches are, as hashes, so that a plan names them truthfully."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn


def model_identity(model: nn.Module) -> dict[str, Any]:
    """Identity of a model that was built or changed in memory: its class and the sha256 of its parameters and buffers."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)}".encode())
        digest.update(tensor_bytes(tensor))
    kind = type(model).__name__
    return {"id": kind, "revision": None, "class": kind, "files": {"state_dict": digest.hexdigest()}}


def batches_identity(batches: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Identity of batches in memory: the sha256 of every tensor of every batch, in order."""
    digest = hashlib.sha256()
    for batch in batches:
        for key in sorted(batch):
            value = batch[key]
            digest.update(key.encode())
            digest.update(tensor_bytes(value) if isinstance(value, torch.Tensor) else repr(value).encode())
    return {"id": "batches", "fingerprint": digest.hexdigest(), "samples": len(batches)}


def tensor_bytes(tensor: torch.Tensor) -> memoryview:
    """The bytes of a tensor's values, in order."""
    flat = tensor.detach().to("cpu").contiguous().reshape(-1)
    return memoryview(flat.view(torch.uint8).numpy() if flat.numel() else np.empty(0, np.uint8))
