"""What a memory budget leaves: the process as it is, the largest weight that is read for a forward, and a tenth are taken."""

import mmap

import psutil
import torch
from torch import nn

from morphoquant.core.errors import ModelError
from morphoquant.core.memory import give_back_what_is_freed
from morphoquant.quant.residence import is_offloaded

# Share of a budget that is left for activations and for what libraries take.
LEFT = 0.1


def room(memory: int, model: nn.Module) -> int:
    """Bytes of a budget that statistics or fits may take now.

    Args:
        memory: the budget, for the whole process.
        model: loaded.

    Raises:
        ModelError: there are none.
    """
    give_back_what_is_freed()
    _read_in(model)
    held = psutil.Process().memory_info().rss
    passing = max(one.numel() * 4 for one in model.parameters()) if is_offloaded(model) else 0
    left = memory - int(LEFT * memory) - held - passing
    if left <= 0:
        raise ModelError(
            f"the memory budget of {memory / 1e9:.2f} GB leaves nothing to work with: the model as it is loaded takes "
            f"{held / 1e9:.2f} GB with all else, and its largest weight {passing / 1e9:.2f} GB while it is read; give at least "
            f"{(held + passing) / (1 - 2 * LEFT) / 1e9:.1f} GB."
        )
    return left


def _read_in(model: nn.Module) -> None:
    """Reads a byte of each page of the weights in main memory: those that are mapped from files count as held when they are."""
    for one in model.parameters():
        if one.device.type == "cpu":
            one.detach().reshape(-1).view(torch.uint8)[:: mmap.PAGESIZE].sum()
