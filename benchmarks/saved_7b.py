"""Saves a model of shapes without ever holding it: random weights in bfloat16, a safetensors file a block."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from block_7b import thinker
from safetensors.torch import save_file
from torch import nn
from whole_7b import whole_thinker


def save_model(folder: str, *sizes: int) -> None:
    """Writes a model of `block_7b` of such sizes (blocks, hidden, intermediate); without any the whole 7B model."""
    save(Path(folder), partial(thinker, *sizes, torch.bfloat16) if sizes else whole_thinker)


def save(folder: Path, build: Callable[[], nn.Module]) -> None:
    """Writes the model that `build` makes, a file for each block of the language model and each other part."""
    with torch.device("meta"):
        model = build()
    model.config.architectures = [type(model).__name__]
    model.config.save_pretrained(folder)
    files: dict[str, list[str]] = {}
    for name in model.state_dict():
        part = name.split(".")[: 4 if "language_model.layers." in name else 2]
        files.setdefault(f"{'-'.join(part)}.safetensors", []).append(name)
    generator, size = torch.Generator().manual_seed(0), 0
    for file, names in files.items():
        made = {name: _weight(name, model.state_dict()[name].shape, generator) for name in names}
        size += sum(one.nbytes for one in made.values())
        save_file(made, folder / file, metadata={"format": "pt"})
    index = {"metadata": {"total_size": size}, "weight_map": {name: file for file, names in files.items() for name in names}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def _weight(name: str, shape: torch.Size, generator: torch.Generator) -> torch.Tensor:
    if "norm" in name and name.endswith("weight"):
        return torch.ones(shape, dtype=torch.bfloat16)
    return torch.empty(shape, dtype=torch.bfloat16).normal_(std=0.02, generator=generator)
