"""Fitting and measuring within a bound of memory: as many groups at a time as there is room for their quantised weights.

Each linear is judged alone, on its full-precision input, so that the groups of one pass need nothing of the others'. The
evaluation batches run once a pass; what they say is set aside in the run's folder, and at last put together to the shards of a
run without a bound. A process that is stopped loses the pass that it was at; the next one goes on with the groups that lack.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from torch import nn

from morphoquant.core.layers import block_path
from morphoquant.core.progress import Progress
from morphoquant.hooks.modality_hooks import ModalityHooks
from morphoquant.models.control import ControlTokens
from morphoquant.runs.division import Span, spans
from morphoquant.runs.fitting import Fitting, Held
from morphoquant.runs.group_parts import Found, GroupParts
from morphoquant.runs.inputs import CalibrationInputs
from morphoquant.runs.least import Fitted, beside_fits, held_by_fits
from morphoquant.runs.measure import Measure
from morphoquant.runs.sequences import sequences
from morphoquant.store.writer import RunWriter

# Share of the room that quantised weights take at most; the rest, or what it needs, is for the search of a fit, Hessians say.
_SHARE = 0.5


def fit_and_measure(
    model: nn.Module,
    batches: Any,
    fitting: Fitting,
    writers: Sequence[RunWriter],
    inputs: CalibrationInputs,
    control: ControlTokens | None,
    room: int,
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
        shard: batches in a shard.
        progress: told what is done.

    Returns:
        What was found for each run, and the seconds of fitting.
    """
    begun, seconds = min(writer.next_batch for writer in writers), 0.0
    cut = [span for span in spans(len(batches), shard) if span[0] >= begun]
    parts = [GroupParts(writer, cut) for writer in writers]
    passing = _Passing(model, batches, fitting, control, cut, parts)
    limit = min(int(_SHARE * room), room - _beside(inputs, fitting))
    passes = _passes(parts, inputs, _sizes(inputs, len(writers), fitting.by_block), limit)
    todo = [number for number, (first, end) in enumerate(passes) if passing.missing(first, end)]
    for number, (first, end) in enumerate(passes):
        chunk, telling = inputs.groups[first:end], _telling(progress, number + 1, len(passes))
        started = time.monotonic()
        if number in todo:
            seconds += passing.groups(chunk, first, telling)
        elif fitting.by_block and number < max(todo, default=0):
            fitting.pass_over(chunk, telling)
            seconds += time.monotonic() - started
    firsts = [first for first, _ in passes]
    for span in cut:
        for writer, one in zip(writers, parts, strict=True):
            # A shard behind one that was damaged is there already.
            if writer.next_batch <= span[0] and (found := one.shard(span, firsts)):
                writer.write_shard(*span, found)
    return [one.found(firsts) for one in parts], seconds


@dataclass(frozen=True, eq=False)
class _Passing:
    """What a pass is made with.

    Attributes:
        cut: [first, end) of the batches of the shards.
        parts: what the runs hold, one for each method of `fitting`.
    """

    model: nn.Module
    batches: Any
    fitting: Fitting
    control: ControlTokens | None
    cut: Sequence[Span]
    parts: Sequence[GroupParts]

    def missing(self, first: int, end: int) -> list[int]:
        """Places of the runs that lack groups [first, end)."""
        return [place for place, one in enumerate(self.parts) if one.end(first) != end]

    def groups(self, chunk: list[str], first: int, progress: Progress) -> float:
        """Fits the groups from number `first` on, and measures and stores what is missing of them; the seconds of fitting."""
        started, end, total = time.monotonic(), first + len(chunk), len(self.batches)
        fits = self.fitting.fit(chunk, progress, Held())
        seconds = time.monotonic() - started
        for span in self.cut:
            todo = [place for place, one in enumerate(self.parts) if one.lacks(span, first, end)]
            if not todo:
                continue
            measure = Measure([fits[place] for place in todo])
            with ModalityHooks(self.model, measure, self.control) as hooks:
                for done, batch in enumerate(self.batches[span[0] : span[1]], span[0] + 1):
                    hooks.run(batch)
                    progress("measuring", done, total)
            for place, measured in zip(todo, measure.results, strict=True):
                self.parts[place].add_measured(span, first, end, measured, hooks.layers, hooks.tokens)
        for place in self.missing(first, end):
            self.parts[place].add_fits(first, end, fits[place])
        return seconds


def _passes(parts: Sequence[GroupParts], inputs: CalibrationInputs, sizes: dict[int, tuple[int, int]], limit: int) -> list[Span]:
    """[first, end) of the groups of each pass: those that are there as they are, the others as many as take `limit` bytes, or
    one block that takes more."""
    passes, at, last = [], 0, len(inputs.groups)
    while at < last:
        stored = {one.end(at) for one in parts}
        end = stored.pop() if len(stored) == 1 else None
        if end != last and end not in sizes:
            end, held = sizes[at]
            while end < last and held + sizes[end][1] <= limit:
                end, held = sizes[end][0], held + sizes[end][1]
        passes.append((at, end))
        at = end
    return passes


def _sizes(inputs: CalibrationInputs, methods: int, by_block: bool) -> dict[int, tuple[int, int]]:
    """By the number of the first of groups that are fitted together, those of a block: the number after their last, and the bytes
    that they take."""
    sizes = inputs.layers.assign(size=4 * methods * inputs.layers["in_features"] * inputs.layers["out_features"])
    by_group = sizes.groupby("group", sort=False)["size"].sum()
    kept = sum(_tokens(inputs)) if by_block else 0
    found, at = {}, 0
    for _, members in groupby(inputs.groups, key=lambda group: block_path(group) or group):
        groups = list(members)
        # Hidden states of a block that methods are fitted to: what it was given and what it gave, in the model's own type.
        width = int(inputs.layers.loc[inputs.layers["group"] == groups[0], "in_features"].iloc[0])
        found[at] = at + len(groups), int(by_group[groups].sum()) + 2 * _own(inputs) * kept * width
        at += len(groups)
    return found


def _beside(inputs: CalibrationInputs, fitting: Fitting) -> int:
    """Bytes that fits take beside the quantised weights."""
    layers, tokens = inputs.layers, max(_tokens(inputs), default=0) if fitting.by_block else 0
    sizes = zip(layers["in_features"].tolist(), layers["out_features"].tolist(), strict=True)
    widths = dict(zip(layers["layer"], sizes, strict=True))
    return beside_fits(held_by_fits(widths, Fitted.of(widths, len(fitting.methods), fitting.methods, tokens, _own(inputs))))


def _own(inputs: CalibrationInputs) -> int:
    """Bytes of each of the model's numbers."""
    return max(one.element_size() for one in inputs.model.parameters())


def _tokens(inputs: CalibrationInputs) -> list[int]:
    """Of each sequence that blocks are run on."""
    return [batch["input_ids"].numel() for batch in sequences(inputs.run).values()]


def _telling(progress: Progress, number: int, of: int) -> Progress:
    return lambda what, done, total: progress(what if of == 1 else f"{what}, pass {number} of {of}", done, total)
