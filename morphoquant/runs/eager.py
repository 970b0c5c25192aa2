"""Attention weights of a live model: switched to eager attention for a while, because faster kernels never make them."""

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from morphoquant.runs.taps import Tap

# (tap, weights [heads, positions, positions] of its first sequence).
Seen = Callable[[Tap, Tensor], None]


@contextmanager
def eager_attention(model: nn.Module) -> Iterator[None]:
    """The model computes attention step by step inside the `with`; each part's own way is put back, also after an error.

    A model that cannot be switched stays as it is.
    """
    switch = getattr(model, "set_attn_implementation", None)
    before = {id(config): (config, config._attn_implementation) for config in _configs(model)}
    try:
        if switch is not None:
            switch("eager")
        yield
    finally:
        # Parents come first: setting one sets those below it too.
        for config, implementation in before.values():
            config._attn_implementation = implementation


@contextmanager
def watching_attention(model: nn.Module, taps: Collection[Tap], seen: Seen) -> Iterator[None]:
    """Inside the `with`, `seen` is given the attention weights of each tap: what a module in it gives beside its output, found
    by its shape [batch, heads, positions, positions]; once a tap and forward."""
    with ExitStack() as stack:
        for tap in taps:
            done: list[bool] = []
            for module in model.get_submodule(tap.name).modules():
                stack.callback(module.register_forward_hook(_look(tap, seen, done)).remove)
        yield


def _look(tap: Tap, seen: Seen, done: list[bool]) -> Callable:
    def look(module: nn.Module, args: tuple, output: Any) -> None:
        if done or not isinstance(output, tuple):
            return
        for value in output[1:]:
            if isinstance(value, Tensor) and value.ndim == 4 and value.shape[-1] == value.shape[-2]:
                done.append(True)
                seen(tap, value[0].detach().to(torch.float32))
                return

    return look


def _configs(model: nn.Module) -> Iterator[Any]:
    for module in model.modules():
        yield from _nested(getattr(module, "config", None))


def _nested(config: Any) -> Iterator[Any]:
    if not hasattr(config, "_attn_implementation"):
        return
    yield config
    for name in getattr(config, "sub_configs", None) or ():
        yield from _nested(getattr(config, name, None))
