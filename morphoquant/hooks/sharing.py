"""Which linears were given the same tensor: they share one set of statistics, under the first one's name."""

from collections import deque
from dataclasses import dataclass

from torch import Tensor

from morphoquant.hooks.rows import Rows

# Linears of one input run close together (q, k, v); more would keep activations alive for nothing.
_HELD = 3


@dataclass(frozen=True, eq=False)
class SharedInput:
    """An input that linears may share.

    Attributes:
        source: the tensor as given; holding it keeps its memory from being used again.
        version: how often it had been written to.
        group: name of the first linear that was given it.
        x: the rows [rows, K].
        rows: their labels.
    """

    source: Tensor
    version: int
    group: str
    x: Tensor
    rows: Rows

    def is_same(self, x: Tensor) -> bool:
        """Whether `x` is this input: the same memory, read the same way, not written to since."""
        if x is self.source:
            return version_of(x) == self.version
        return (
            x.data_ptr() == self.source.data_ptr()
            and x.shape == self.source.shape
            and x.stride() == self.source.stride()
            and x.dtype == self.source.dtype
            and x.device == self.source.device
            and version_of(x) == self.version
        )


class RecentInputs:
    """The last inputs of a forward."""

    def __init__(self):
        self._held: deque[SharedInput] = deque(maxlen=_HELD)

    def find(self, x: Tensor) -> SharedInput | None:
        """The input that `x` is, if it came by lately."""
        return next((held for held in reversed(self._held) if held.is_same(x)), None)

    def hold(self, found: SharedInput) -> None:
        """Remembers an input, forgetting the oldest."""
        self._held.append(found)

    def clear(self) -> None:
        """Lets go of all tensors."""
        self._held.clear()


def version_of(x: Tensor) -> int:
    """Writes to the tensor's memory so far; inference tensors are not tracked."""
    return 0 if x.is_inference() else x._version
