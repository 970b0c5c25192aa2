"""What a lower floor offers to people and an upper floor does: named by the package's door, imported at its first use.

Imports go down only, yet `run.figure(...)` is what a notebook expects of a run, and figures stand above runs. So the door
(`morphoquant/__init__.py`, which stands above all floors) says where such a thing is, and the run asks for it by name.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from morphoquant.core.registry import Registry

UPSTAIRS: Registry[str] = Registry("part")


def upstairs(name: str) -> Callable[..., Any]:
    """The function that the door registered as `name`, given as "module:function".

    Raises:
        UnknownNameError: the door names no such thing.
    """
    module, _, function = UPSTAIRS[name].partition(":")
    return getattr(import_module(module), function)
