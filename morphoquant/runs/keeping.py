"""Keeping what a part of the model gave for equal inputs: encoders out of scope are run once for many methods.

An output is found by the module's name and a hash of all that the module was given, so a kept output is that of the very
same computation, bit for bit, whatever ran before.
"""

import copy
import functools
import hashlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from morphoquant.core.layers import Component, block_path
from morphoquant.hooks.components import components
from morphoquant.quant.forwards import forward_as
from morphoquant.runs.identity import tensor_bytes

LIMIT = 4 * 1024**3  # bytes
_TOWERS = (Component.VISION, Component.AUDIO)
_PLAIN = (bool, int, float, str, type(None), torch.dtype, torch.device)
_ABSENT = object()


class Kept:
    """Outputs of modules.

    Args:
        limit: bytes of outputs at most; what comes later is computed every time.
    """

    def __init__(self, limit: int = LIMIT):
        self.limit = limit
        self.bytes = 0
        self.replayed = 0
        self._outputs: dict[tuple[str, bytes], Any] = {}

    def clear(self) -> None:
        """Forgets all outputs."""
        self._outputs.clear()
        self.bytes = 0

    @contextmanager
    def replaying(self, model: nn.Module, names: Collection[str], *, learning: bool = True) -> Iterator[None]:
        """Inside the `with`, modules of `model` called `names` answer from what is kept, and what they compute is kept.

        The modules must compute the same thing whenever they are named: parameters and settings unchanged, no dropout.

        Args:
            model: any module; restored at the end, also after an error.
            names: modules with a forward of their own; one may stand inside another.
            learning: keeps new outputs, else only those known are replayed.
        """
        with ExitStack() as stack:
            for name in names:
                self._wrap(stack, name, model.get_submodule(name), learning)
            yield

    def _wrap(self, stack: ExitStack, name: str, module: nn.Module, learning: bool) -> None:
        original = module.forward

        @functools.wraps(original)
        def replaying(*args, **kwargs):
            digest = _digest((args, kwargs))
            if digest is None:
                return original(*args, **kwargs)
            known = self._outputs.get((name, digest), _ABSENT)
            if known is not _ABSENT:
                self.replayed += 1
                return copy.deepcopy(known)  # so that no caller can write to what is kept
            output = original(*args, **kwargs)
            size = _bytes(output)
            if learning and size is not None and self.bytes + size <= self.limit:
                self._outputs[name, digest] = copy.deepcopy(output)
                self.bytes += size
            return output

        stack.enter_context(forward_as(module, replaying))


def unchanged_parts(model: nn.Module, scope: Collection[Component]) -> list[str]:
    """Outermost modules that compute the same thing in full precision and quantised: towers and connectors out of scope.

    Connectors count where no tower is in scope, since their input changes with a tower.
    """
    wanted = {part for part in _TOWERS if part not in scope}
    if Component.CONNECTOR not in scope and wanted == set(_TOWERS):
        wanted.add(Component.CONNECTOR)
    return outermost(model, "", components(model), wanted)


def blocks_of(model: nn.Module, linears: Collection[str]) -> list[str]:
    """Modules whose outputs are worth keeping while single linears change: numbered blocks that hold some of `linears`, and
    the towers that do, each with a forward of its own."""
    named = components(model)
    blocks = {found for name in linears if (found := block_path(name))}
    towers = [name for part in _TOWERS if part in {named[one] for one in linears} for name in outermost(model, "", named, {part})]
    return [name for name in [*towers, *sorted(blocks)] if has_forward(model.get_submodule(name))]


def outermost(module: nn.Module, name: str, parts: Mapping[str, Component], wanted: Collection[Component]) -> list[str]:
    """Outermost modules with a forward of their own in `module`, which is called `name`, whose linears are all of `wanted`.

    Args:
        module: where to look.
        name: its path.
        parts: component of every linear of the model.
        wanted: components looked for.
    """
    below = {component for linear, component in parts.items() if linear == name or linear.startswith(f"{name}." if name else "")}
    if not below & set(wanted):
        return []
    if name and below <= set(wanted) and has_forward(module):
        return [name]
    children = ((f"{name}.{last}" if name else last, child) for last, child in module.named_children())
    return [found for path, child in children for found in outermost(child, path, parts, wanted)]


def has_forward(module: nn.Module) -> bool:
    """Whether it has a forward of its own; lists of modules have none."""
    return not isinstance(module, (nn.ModuleList, nn.ModuleDict)) and type(module).forward is not nn.Module.forward


def _digest(value: Any) -> bytes | None:
    """Hash of arguments; None where they hold something whose content cannot be told (a cache, say)."""
    digest = hashlib.blake2b(digest_size=20)
    return digest.digest() if _feed(digest, value) else None


def _feed(digest, value: Any) -> bool:
    if isinstance(value, Tensor):
        digest.update(f"t{value.dtype}{tuple(value.shape)}".encode())
        digest.update(tensor_bytes(value))
    elif isinstance(value, (tuple, list)):
        digest.update(f"l{len(value)}".encode())
        return all(_feed(digest, one) for one in value)
    elif isinstance(value, dict):
        digest.update(f"d{sorted(value)}".encode())
        return all(_feed(digest, value[key]) for key in sorted(value))
    elif isinstance(value, _PLAIN):
        digest.update(f"p{value!r}".encode())
    else:
        return False
    return True


def _bytes(value: Any) -> int | None:
    """Size of an output's tensors; None where it holds something that cannot be kept."""
    if isinstance(value, Tensor):
        return value.numel() * value.element_size()
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, (tuple, list)):
        sizes = [_bytes(one) for one in value]
        return None if None in sizes else sum(sizes)
    return 0 if isinstance(value, _PLAIN) else None
