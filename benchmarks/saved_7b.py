"""Saves a model of `block_7b` without ever holding it: random weights in bfloat16, a safetensors file a block."""

import json
from pathlib import Path

import torch
from block_7b import thinker
from safetensors.torch import save_file


def save(folder: Path, blocks: int, hidden: int, intermediate: int) -> None:
    """Writes the model with so many blocks of such sizes, a file a block and one for all else."""
    with torch.device("meta"):
        model = thinker(blocks, hidden, intermediate, torch.bfloat16)
    model.config.architectures = [type(model).__name__]
    model.config.save_pretrained(folder)
    files: dict[str, list[str]] = {}
    for name in model.state_dict():
        block = name.split(".layers.")[1].split(".")[0] if "language_model.layers." in name else "rest"
        files.setdefault(f"model-{block}.safetensors", []).append(name)
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
