"""What is found of some groups of a quantize run after others: kept in its folder until all groups are there."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
import pyarrow as pa

from morphoquant.core.layers import LayerInfo
from morphoquant.methods.base import GroupFit
from morphoquant.methods.cost import Cost, cost_of
from morphoquant.runs import tables
from morphoquant.runs.division import Span
from morphoquant.runs.measure import Measured
from morphoquant.store.schema import TABLES
from morphoquant.store.writer import RunWriter

_COSTS = [one.name for one in fields(Cost)]


@dataclass(eq=False)
class Found:
    """What a run's end needs of its fits; their weights may be gone.

    Attributes:
        grids: the grids table, a part a group that has a static grid.
        cost: of all groups.
        seconds: that the fits took.
        bypassed: input values of a token that bypass on the mean over the token sample, of the groups with a correction.
        values: all input values of a token, of those groups.
    """

    grids: list[pa.Table] = field(default_factory=list)
    cost: Cost = field(default_factory=Cost)
    seconds: float = 0.0
    bypassed: float = 0.0
    values: int = 0

    @classmethod
    def of(cls, fits: Mapping[str, GroupFit]) -> "Found":
        """Of fits that are all in memory."""
        found = cls()
        found.add(_fits_table(fits), tables.grids_tables(fits))
        return found

    def add(self, fits: pa.Table, grids: Iterable[pa.Table]) -> None:
        """Adds rows of the fits table and parts of the grids table."""
        for row in fits.to_pylist():
            self.cost += Cost(*(row[name] for name in _COSTS))
            self.seconds += row["seconds"]
            if row["bypass_density"] is not None:
                self.bypassed += row["bypass_density"] * row["channels"]
                self.values += row["channels"]
        self.grids += grids


class GroupParts:
    """What one run holds of its groups, by their numbers in order.

    Args:
        writer: of the run.
        spans: [first, end) of the batches of its shards; those that are not there yet are wanted of every group.
    """

    def __init__(self, writer: RunWriter, spans: Iterable[Span]):
        self._fits = writer.aside("fits")
        self._measured = {
            (begin, end): writer.aside(f"measured-{begin:08d}-{end:08d}") for begin, end in spans if begin >= writer.next_batch
        }

    def end(self, first: int) -> int | None:
        """Where the groups that begin with number `first` end; absent where something is missing of them."""
        end = self._fits.end(first)
        whole = end is not None and not any(self.lacks(span, first, end) for span in self._measured)
        return end if whole else None

    def lacks(self, span: Span, first: int, end: int) -> bool:
        """Whether batches `span` are still to be measured on groups [first, end)."""
        return span in self._measured and self._measured[span].end(first) != end

    def add_measured(
        self, span: Span, first: int, end: int, found: Measured, layers: Sequence[LayerInfo], tokens: Sequence[Mapping[int, int]]
    ) -> None:
        """Stores what batches `span` say of groups [first, end).

        Args:
            span: the batches.
            first: number of the first group.
            end: number after the last.
            found: the sums.
            layers: all that ran, in order.
            tokens: of each sample, {slot: tokens}.
        """
        parts = {
            "layers": [tables.layers_table(layers)],
            "tokens": [tables.tokens_table(tokens, span[0])],
            "errors": [tables.errors_table(found)],
            "grid_use": tables.grid_use_tables(found),
        }
        self._measured[span].write(first, end, parts)

    def add_fits(self, first: int, end: int, fits: Mapping[str, GroupFit]) -> None:
        """Stores what a run's end needs of the fits of groups [first, end); they are there when this is done."""
        self._fits.write(first, end, {"fits": [_fits_table(fits)], "grids": tables.grids_tables(fits)})

    def found(self, firsts: Sequence[int]) -> Found:
        """What the fits of all parts say, which begin with groups `firsts`."""
        found = Found()
        for first in firsts:
            found.add(next(self._fits.tables(first, "fits")), self._fits.tables(first, "grids"))
        return found

    def shard(self, span: Span, firsts: Sequence[int]) -> dict[str, Any] | None:
        """The tables of the shard of batches `span`, in the order in which its linears ran; absent where it is there already."""
        if span not in self._measured:
            return None
        aside = self._measured[span]
        layers, tokens = (next(aside.tables(firsts[0], name)) for name in ("layers", "tokens"))
        ranks = {name: rank for rank, name in enumerate(layers["layer"].to_pylist())}
        errors = pa.concat_tables(part for first in firsts for part in aside.tables(first, "errors")).unify_dictionaries()
        order = np.argsort([ranks[name] for name in errors["layer"].to_pylist()], kind="stable")
        use = (part for first in firsts for part in aside.tables(first, "grid_use"))
        return {
            "tokens": [tokens],
            "errors": [tables.named_anew(errors.take(pa.array(order)))],
            "grid_use": sorted(use, key=lambda part: ranks[part["group"][0].as_py()]),
        }


def _fits_table(fits: Mapping[str, GroupFit]) -> pa.Table:
    rows = [
        {"group": group, "channels": next(iter(fit.weights.values())).shape[1], **asdict(cost_of(fit))}
        | {"bypass_density": fit.bypass_density, "seconds": fit.seconds}
        for group, fit in fits.items()
    ]
    return pa.Table.from_pylist(rows, schema=TABLES["fits"])
