"""Where a training stands: weights, the optimiser's moments and the step, in one safetensors file that is replaced whole."""

from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

_NAME = "checkpoint.safetensors"


def save(weights: dict[str, nn.Parameter], optimiser: torch.optim.Optimizer, work: Path, step: int, recipe: str) -> None:
    """Writes the checkpoint.

    Args:
        weights: by name.
        optimiser: AdamW of those weights; one that has made no step has no moments yet.
        work: folder.
        step: the step to go on with.
        recipe: what is trained, as text; only the same text resumes.
    """
    state = {}
    for name, weight in weights.items():
        state[name] = weight.detach()
        if held := optimiser.state.get(weight):
            state[f"first/{name}"], state[f"second/{name}"] = held["exp_avg"], held["exp_avg_sq"]
    sibling = (work / _NAME).with_suffix(".tmp")
    save_file({k: v.cpu().contiguous() for k, v in state.items()}, sibling, metadata={"step": str(step), "recipe": recipe})
    sibling.replace(work / _NAME)


def resume(weights: dict[str, nn.Parameter], optimiser: torch.optim.Optimizer, work: Path, recipe: str) -> int | None:
    """Puts the checkpoint back, if there is one of this recipe; the step to go on with, None to start."""
    path = work / _NAME
    if not path.is_file():
        return None
    with safe_open(path, "pt") as file:
        if file.metadata().get("recipe") != recipe:
            return None
        step = int(file.metadata()["step"])
        for name, weight in weights.items():
            weight.data.copy_(file.get_tensor(name))
            if step == 0:
                continue
            optimiser.state[weight] = {
                "step": torch.tensor(float(step)),
                "exp_avg": file.get_tensor(f"first/{name}").to(weight.device),
                "exp_avg_sq": file.get_tensor(f"second/{name}").to(weight.device),
            }
    print(f"going on from step {step}", flush=True)
    return step
