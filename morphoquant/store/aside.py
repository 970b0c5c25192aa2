"""What a run's writer sets aside on its way to a shard: parts that are whole or not there, and go with the shards at last."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from morphoquant.store.atomic import drop, sweep
from morphoquant.store.hold import Hold
from morphoquant.store.place import Place
from morphoquant.store.shards import Mark, Shards


@dataclass(frozen=True, eq=False)
class Aside:
    """Parts of one kind, each of consecutive things (of groups of linears, say) that are counted from 0.

    Attributes:
        folder: below the shards of a run.
        hold: of the run.
    """

    folder: Place
    hold: Hold
    _known: dict[int, Mark] = field(default_factory=dict)

    def end(self, first: int) -> int | None:
        """Where the part that begins with `first` ends; absent where it is not there or cannot be read."""
        if first not in self._known:
            shards = Shards(self.folder)
            mark = shards.mark(first)
            if mark is None or not shards.reads(mark):
                return None
            self._known[first] = mark
        return self._known[first].end

    def write(self, first: int, end: int, tables: Mapping[str, Iterable[pa.Table]]) -> None:
        """Stores the part [first, end), in the place of one that begins there.

        Raises:
            StoreError: it cannot be written, or another process has taken over.
        """
        shards = Shards(self.folder)
        sweep(shards.place(first))
        self._known[first] = shards.write(first, end, tables, self.hold)

    def tables(self, first: int, name: str) -> Iterator[pa.Table]:
        """What was given to `write` as table `name` of the part that begins with `first`, which is there.

        Raises:
            StoreError: it was damaged in the meantime.
        """
        return Shards(self.folder).parts(self._known[first], name)

    def drop(self, first: int) -> None:
        """Removes the part that begins with `first`, if there is one."""
        self._known.pop(first, None)
        drop(Shards(self.folder).place(first))
