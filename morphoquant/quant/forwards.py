"""Another forward in the place of a module's own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

_ABSENT = object()


@contextmanager
def forward_as(module: nn.Module, forward: Callable[..., Any]) -> Iterator[None]:
    """`module` runs `forward` inside the `with`; its hooks are called as before, and its own forward is put back."""
    # One that accelerate has put there is an attribute of the instance too.
    before = vars(module).get("forward", _ABSENT)
    module.forward = forward
    try:
        yield
    finally:
        if before is _ABSENT:
            del module.forward
        else:
            module.forward = before
