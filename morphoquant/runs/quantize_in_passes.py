"""Fitting and measuring within a bound of memory: as many groups at a time as there is room for their quantised weights.

Each linear is judged alone, on its full-precision input, so that the groups of one pass need nothing of the others'. The
evaluation batches run once a pass; what they say is written aside, and then into the shards of a run without a bound.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from torch import nn

from morphoquant.core.layers import LayerInfo, block_path
from morphoquant.core.progress import Progress
from morphoquant.hooks.modality_hooks import ModalityHooks
from morphoquant.methods.base import GroupFit
from morphoquant.methods.cost import Cost, total_cost
from morphoquant.models.control import ControlTokens
from morphoquant.runs import tables
from morphoquant.runs.fitting import Fitting, Held
from morphoquant.runs.inputs import CalibrationInputs
from morphoquant.runs.measure import Measure, Measured
from morphoquant.runs.part_tables import PartTables
from morphoquant.runs.sequences import sequences
from morphoquant.store.writer import RunWriter

# Share of the room that quantised weights take; the rest is for what the search of a fit takes, Hessians say.
_SHARE = 0.5


@dataclass(eq=False)
class Found:
    """What a run's end needs of its fits.

    Attributes:
        fits: by group; where weights had to make room, their grids, shares and seconds alone.
        cost: of all.
    """

    fits: dict[str, GroupFit] = field(default_factory=dict)
    cost: Cost = field(default_factory=Cost)

    @classmethod
    def of(cls, fits: dict[str, GroupFit]) -> "Found":
        """Of fits that are all in memory."""
        return cls(fits, total_cost(fits.values()))

    def add(self, fits: dict[str, GroupFit]) -> None:
        """Adds fits without their weights."""
        self.cost = sum((total_cost([one]) for one in fits.values()), self.cost)
        for group, one in fits.items():
            self.fits[group] = GroupFit(group, {}, columns=one.columns, bypass_density=one.bypass_density, seconds=one.seconds)


def fit_and_measure(
    model: nn.Module,
    batches: Any,
    fitting: Fitting,
    writers: Sequence[RunWriter],
    inputs: CalibrationInputs,
    control: ControlTokens | None,
    room: int,
    folder: Path,
    shard: int,
    progress: Progress,
) -> tuple[list[Found], float]:
    """Fits all groups and writes what the batches say of them that no shard covers yet.

    Args:
        model: the model, in full precision.
        batches: evaluation batches.
        fitting: of the methods, one for each writer.
        writers: of their runs.
        inputs: what the capture says of the groups.
        control: special tokens and template spans.
        room: bytes of memory.
        folder: for what is written aside.
        shard: batches in a shard.
        progress: told what is done.

    Returns:
        What was found for each run, and the seconds of fitting.
    """
    total, found, seconds = len(batches), [Found() for _ in writers], 0.0
    first = min(writer.next_batch for writer in writers)
    shards = [_Shard(begin, min(begin + shard, total), folder) for begin in range(first, total, shard)]
    chunks = list(_chunks(inputs, len(writers), fitting.by_block, int(_SHARE * room)))
    for number, chunk in enumerate(chunks, 1):
        telling = _telling(progress, number, len(chunks))
        started = time.monotonic()
        fits = fitting.fit(chunk, telling, Held())
        seconds += time.monotonic() - started
        for one in shards:
            todo = [place for place, writer in enumerate(writers) if writer.next_batch <= one.begin]
            measure = Measure([fits[place] for place in todo])
            with ModalityHooks(model, measure, control) as hooks:
                for done, batch in enumerate(batches[one.begin : one.end], one.begin + 1):
                    hooks.run(batch)
                    telling("measuring", done, total)
            one.layers, one.tokens = hooks.layers, hooks.tokens
            for place, measured in zip(todo, measure.results, strict=True):
                one.add(place, measured)
        for whole, some in zip(found, fits, strict=True):
            whole.add(some)
    for one in shards:
        for place, writer in enumerate(writers):
            if writer.next_batch == one.begin:
                writer.write_shard(one.begin, one.end, one.tables(place))
    return found, seconds


@dataclass(eq=False)
class _Shard:
    """What batches [begin, end) say of the groups so far, by the place of the run."""

    begin: int
    end: int
    folder: Path
    layers: list[LayerInfo] = field(default_factory=list)
    tokens: list[dict[int, int]] = field(default_factory=list)
    _errors: dict[int, list[pa.Table]] = field(default_factory=dict)
    _use: dict[int, PartTables] = field(default_factory=dict)

    def add(self, place: int, measured: Measured) -> None:
        """Adds what was measured of some groups."""
        self._errors.setdefault(place, []).append(tables.errors_table(measured))
        if place not in self._use:
            self._use[place] = PartTables(self.folder / f"{self.begin}-{place}")
        self._use[place].add("grid_use", tables.grid_use_tables(measured))

    def tables(self, place: int) -> dict[str, Any]:
        """The tables of a run's shard, in the order in which the linears ran."""
        ranks = {layer.name: rank for rank, layer in enumerate(self.layers)}
        errors = pa.concat_tables(self._errors[place]).unify_dictionaries()
        order = np.argsort([ranks[name] for name in errors["layer"].to_pylist()], kind="stable")
        return {
            "tokens": [tables.tokens_table(self.tokens, self.begin)],
            "errors": [errors.take(pa.array(order))],
            "grid_use": self._use[place].tables("grid_use", dict.fromkeys(layer.group for layer in self.layers)),
        }


def _chunks(inputs: CalibrationInputs, methods: int, by_block: bool, limit: int) -> Iterator[list[str]]:
    """Groups in order, those of a block together, whose quantised weights take `limit` bytes or, if one takes more, that one."""
    sizes = inputs.layers.assign(size=4 * methods * inputs.layers["in_features"] * inputs.layers["out_features"])
    by_group = sizes.groupby("group", sort=False)["size"].sum()
    kept = sum(batch["input_ids"].numel() for batch in sequences(inputs.run).values()) if by_block else 0
    chunk, held = [], 0
    for _, members in groupby(inputs.groups, key=lambda group: block_path(group) or group):
        groups = list(members)
        # Hidden states of a block that methods are fitted to: what it was given and what it gave.
        width = int(inputs.layers.loc[inputs.layers["group"] == groups[0], "in_features"].iloc[0])
        size = int(by_group[groups].sum()) + 8 * kept * width
        if chunk and held + size > limit:
            yield chunk
            chunk, held = [], 0
        chunk, held = [*chunk, *groups], held + size
    if chunk:
        yield chunk


def _telling(progress: Progress, number: int, of: int) -> Progress:
    return lambda what, done, total: progress(what if of == 1 else f"{what}, pass {number} of {of}", done, total)
