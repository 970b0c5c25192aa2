"""Where the weights of a model are: in memory, or offloaded by accelerate and read for each forward.

The weights of an offloaded module are on the meta device but while its own forward runs. Forward pre-hooks run before that, so
that whoever reads a weight, there or elsewhere, asks for it here.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

# Types of weights that are widened where they are calculated with.
HALF = (torch.bfloat16, torch.float16)


def is_offloaded(model: nn.Module) -> bool:
    """Whether some of a model's weights are read for each forward; also while they are resident."""
    return any(_hook(module, "weights_map") is not None for module in model.modules())


def device_of(model: nn.Module) -> torch.device:
    """The device that a model runs on, wherever its weights are."""
    held = next((one.device for one in model.parameters() if not one.is_meta), None)
    if held is not None:
        return held
    found = (_hook(one, "execution_device") for one in model.modules())
    device = next((one for one in found if one is not None), "meta")
    return torch.device("cuda", device) if isinstance(device, int) else torch.device(device)


@contextmanager
def resident(*modules: nn.Module) -> Iterator[None]:
    """The weights of modules, and of those below them, stay on the device that they run on inside the `with`."""
    hooked = [one for module in modules for one in module.modules() if _offloads(one)]
    read = []
    try:
        for module in hooked:
            hook = module._hf_hook
            hook.pre_forward(module)
            hook.offload = False
            read.append(module)
        yield
    finally:
        for module in read:
            module._hf_hook.offload = True
            module._hf_hook.post_forward(module, None)


@contextmanager
def at_hand(module: nn.Module) -> Iterator[None]:
    """The weights and buffers of a module, and of those below it, are in main memory and at least in float32 inside the `with`.

    Args:
        module: whose weights are resident. They stay where they are as they are, and are put back at the end.
    """
    own = [(one, one.data) for one in (*module.parameters(), *module.buffers())]
    try:
        for one, data in own:
            one.data = widened(data.cpu())
        yield
    finally:
        for one, data in own:
            one.data = data


def weight_of(linear: nn.Linear) -> Tensor:
    """Weight [out, in] of a linear, at least in float32: half precision is widened without loss."""
    # A linear of fused experts is a view of them.
    with resident(getattr(linear, "fused", linear)):
        return widened(linear.weight.detach())


def widened(x: Tensor) -> Tensor:
    """`x` at least in float32."""
    return x.float() if x.dtype in HALF else x


def _offloads(module: nn.Module) -> bool:
    return bool(_hook(module, "offload"))


def _hook(module: nn.Module, attribute: str) -> Any:
    return getattr(getattr(module, "_hf_hook", None), attribute, None)


def stand_in(weight: Tensor) -> Tensor:
    """What stands for a model's own weight where that is not held: of the same shape, without its memory, and of no number."""
    return weight.new_full((), torch.nan).expand(weight.shape) if weight.numel() > 1 else weight


def is_stand_in(weight: Tensor) -> bool:
    """Whether a weight stands for the model's own."""
    return weight.numel() > 1 and weight.untyped_storage().nbytes() == weight.element_size()
