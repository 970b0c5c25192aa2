"""Which linears were given the same tensor: they share one set of statistics, under the first one's name."""

from collections import deque
from dataclasses import dataclass

from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef

from morphoquant.hooks.rows import Rows

# Linears of one input run close together: q, k, v next to each other, a parallel MLP after the attention's output. An observer of
# linears may be given one that shares an input this many back.
REMEMBERED = 4


@dataclass(frozen=True, eq=False)
class SharedInput:
    """An input that linears may share, without keeping it alive: held activations would cost memory and warm caches.

    Attributes:
        storage: weak reference to its memory; while one exists, the same identity is not given to other memory.
        reading: offset, shape, strides and type, how the memory is read.
        version: how often it had been written to.
        group: name of the first linear that was given it.
        rows: labels of its rows.
    """

    storage: StorageWeakRef
    reading: tuple
    version: int
    group: str
    rows: Rows

    @classmethod
    def of(cls, x: Tensor, group: str, rows: Rows) -> "SharedInput":
        """What to remember of `x`."""
        return cls(StorageWeakRef(x.untyped_storage()), _reading(x), version_of(x), group, rows)

    def is_same(self, storage: int, reading: tuple, version: int) -> bool:
        """Whether a tensor is this input: the same memory, read the same way, not written to since."""
        return self.storage.cdata == storage and self.version == version and self.reading == reading


class RecentInputs:
    """The last inputs of a forward."""

    def __init__(self):
        self._known: deque[SharedInput] = deque(maxlen=REMEMBERED)

    def find(self, x: Tensor) -> SharedInput | None:
        """The input that `x` is, if it came by lately."""
        given = x.untyped_storage()._cdata, _reading(x), version_of(x)
        return next((known for known in reversed(self._known) if known.is_same(*given)), None)

    def remember(self, found: SharedInput) -> None:
        """Remembers an input, forgetting the oldest."""
        self._known.append(found)

    def clear(self) -> None:
        """Forgets all."""
        self._known.clear()


def version_of(x: Tensor) -> int:
    """Writes to the tensor's memory so far; inference tensors are not tracked."""
    return 0 if x.is_inference() else x._version


def _reading(x: Tensor) -> tuple:
    return x.storage_offset(), x.shape, x.stride(), x.dtype
