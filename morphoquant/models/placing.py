"""Where the weights of a model go under a memory budget: on a device, in main memory, or left on the disk."""

from pathlib import Path
from typing import Any

import psutil
import torch

from morphoquant.core.memory import give_back_what_is_freed

# Shares of a budget's main memory, without what the process holds already, and of a device's free memory.
_OF_MEMORY, _OF_DEVICE = 0.3, 0.8


def placing(memory: int, device: str, folder: Path) -> dict[str, Any]:
    """Options of `from_pretrained`, for accelerate to find the place of each weight.

    Args:
        memory: bytes of main memory that the process may take; most of them are needed for statistics and fits.
        device: that the model runs on.
        folder: for weights that do not lie in the model's files as they are used.
    """
    give_back_what_is_freed()
    on = torch.device(device)
    left = max(memory - psutil.Process().memory_info().rss, 0)
    most: dict[int | str, int] = {"cpu": int(_OF_MEMORY * left)}
    if on.type == "cuda":
        most = {on.index or 0: int(_OF_DEVICE * torch.cuda.mem_get_info(on)[0]), **most}
    return {"device_map": "sequential", "max_memory": most, "offload_folder": str(folder)}
