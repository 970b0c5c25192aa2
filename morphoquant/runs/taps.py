"""Taps: where hidden states leave a block or a connector, and reading or replacing them while the model runs."""

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from morphoquant.core.layers import Component, block_of, block_path
from morphoquant.hooks.components import components
from morphoquant.runs.keeping import has_forward, outermost

_BLOCKS = (Component.VISION, Component.AUDIO, Component.LANGUAGE)
_NAMED = "hidden_states"


@dataclass(frozen=True)
class Tap:
    """A module whose output is looked at.

    Attributes:
        name: its path.
        component: part of the model.
        block: its index, absent for a connector.
        linears: paths of the linears in it, in the order of the model.
    """

    name: str
    component: Component
    block: int | None
    linears: tuple[str, ...]


def taps_of(model: nn.Module, parts: Collection[Component]) -> list[Tap]:
    """The numbered blocks of towers and language model in `parts`, and the connectors, in the order of the model's tree."""
    named = components(model)
    found: dict[str, tuple[Component, list[str]]] = {}
    for linear, component in named.items():
        name = block_path(linear) if component in _BLOCKS and component in parts else None
        if name is not None and has_forward(model.get_submodule(name)):
            found.setdefault(name, (component, []))[1].append(linear)
    connectors = outermost(model, "", named, {Component.CONNECTOR}) if Component.CONNECTOR in parts else []
    for name in connectors:
        within = [linear for linear in named if linear == name or linear.startswith(f"{name}.")]
        found[name] = (Component.CONNECTOR, within)
    return [
        Tap(name, component, None if component is Component.CONNECTOR else block_of(f"{name}.x"), tuple(linears))
        for name, (component, linears) in found.items()
    ]


# (tap, number of the call in this forward, hidden states) -> what to go on with instead, None for the same.
Before = Callable[[Tap, int, Tensor], Tensor | None]
# (tap, number of the call in this forward, hidden states that it gave).
After = Callable[[Tap, int, Tensor], None]


@contextmanager
def watching(model: nn.Module, taps: Collection[Tap], before: Before | None = None, after: After | None = None) -> Iterator[None]:
    """Inside the `with`, for one forward, `before` sees what goes into each tap and may replace it, `after` what comes out.

    Taps that take or give no tensor are passed over.
    """
    with ExitStack() as stack:
        for tap in taps:
            module, counts = model.get_submodule(tap.name), [0, 0]
            if before is not None:
                hook = module.register_forward_pre_hook(_into(tap, before, counts), with_kwargs=True)
                stack.callback(hook.remove)
            if after is not None:
                stack.callback(module.register_forward_hook(_out_of(tap, after, counts)).remove)
        yield


def _into(tap: Tap, before: Before, counts: list[int]) -> Callable:
    def look(module: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict] | None:
        call, first = counts[0], bool(args) and isinstance(args[0], Tensor)
        counts[0] += 1
        hidden = args[0] if first else kwargs.get(_NAMED)
        other = before(tap, call, hidden) if isinstance(hidden, Tensor) else None
        if other is None:
            return None
        return ((other, *args[1:]), kwargs) if first else (args, {**kwargs, _NAMED: other})

    return look


def _out_of(tap: Tap, after: After, counts: list[int]) -> Callable:
    def look(module: nn.Module, args: tuple, output: Any) -> None:
        call, hidden = counts[1], output[0] if isinstance(output, tuple | list) and output else output
        counts[1] += 1
        if isinstance(hidden, Tensor):
            after(tap, call, hidden.detach())

    return look
