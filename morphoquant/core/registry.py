"""A name -> thing table that answers an unknown name with the nearest known one."""

from collections.abc import Iterator
from typing import Generic, TypeVar

from morphoquant.core.errors import UnknownNameError

T = TypeVar("T")


class Registry(Generic[T]):
    """Named things of one kind. Registration is one line in the file that defines the thing.

    Args:
        kind: what is registered, in the singular, for error messages.
    """

    def __init__(self, kind: str):
        self.kind = kind
        self._things: dict[str, T] = {}

    def add(self, name: str, thing: T) -> T:
        """Registers `thing`.

        Raises:
            ValueError: the name is taken (a programming error).
        """
        if name in self._things:
            raise ValueError(f"{self.kind} {name!r} is registered twice")
        self._things[name] = thing
        return thing

    def __getitem__(self, name: str) -> T:
        if name not in self._things:
            raise UnknownNameError(self.kind, name, self._things)
        return self._things[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._things)

    def __len__(self) -> int:
        return len(self._things)

    def items(self):
        """Pairs of (name, thing) in the order of registration."""
        return self._things.items()
