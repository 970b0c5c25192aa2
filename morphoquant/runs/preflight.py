"""What an engine verb will need, told before any long work: memory, disk, group sizes, calibration data.

A model of shapes alone is enough (`models.load.load(weights=False)`). Predictions are bounds from above, and close ones:

    weights      4 bytes a parameter, 2 in bfloat16
    statistics   as much as ChannelStats holds for a channel and slot, times the channels of all layer inputs and their slots,
                 the fine histograms, and the rows that wait to be counted
    activation   tokens of the longest sample times the widest input or output of a linear in the language model or the head; of
                 questions, all rows that share a forward, without the head, which gives their last tokens alone
    quantised    4 bytes a weight in scope for each set of quantised weights that is held at once
    beside       what the verb keeps of the model's inside: keys and values of questions, or hidden states and attention
    disk         the statistics once for each shard of samples, before compression; under a memory budget also what is set aside:
                 the statistics of one shard more, and quantised weights that questions are put to
    device       on a device other than the CPU: all but the statistics, and its counters of the histograms

Under a memory budget (`runs.budget`) no more than that is taken, or than is held whole in any case (`runs.least`): weights are
left on the disk, and inputs are counted and groups fitted a few at a time. The figures are then those of a run without it.

The inputs of q, k, v and of gate, up are one; linears of other names count alone, though they may turn out to share an input.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import disk_usage

import psutil
from torch import nn

from morphoquant.core.errors import ModelError, MorphoQuantError, SpecError
from morphoquant.core.layers import Component
from morphoquant.core.modality import CONTENT, Modality
from morphoquant.core.spec import QuantSpec
from morphoquant.hooks.components import components
from morphoquant.methods.base import Method
from morphoquant.runs.capture import SHARD
from morphoquant.runs.least import Fitted, held_whole, least_budget
from morphoquant.runs.predicted_sizes import channels_of, fine_bytes, in_units, slots_of, statistics_bytes, waiting_bytes
from morphoquant.stats.bins import BIN_COUNT

_BODY = (Component.LANGUAGE, Component.HEAD)


@dataclass(frozen=True)
class Data:
    """What the samples and questions hold that a verb runs.

    Attributes:
        name: of the calibration data.
        samples: how many of them.
        modalities: of their parts, as far as the model takes them.
        tokens: of the longest sample or passage, all of whose logits are made.
        asked: of the longest question, 0 where nothing is asked.
    """

    name: str
    samples: int
    modalities: frozenset[Modality]
    tokens: int
    asked: int = 0


@dataclass(frozen=True)
class Preflight:
    """Figures in bytes, and what speaks against starting.

    Attributes:
        weights: still to be loaded; 0 for a model that is in memory.
        statistics: held while capturing, 0 where nothing is captured.
        activation: the largest one.
        quantised: weights of all methods that are held at once, 0 without any.
        beside: what else the verb holds while methods are in place, by name.
        memory: available now.
        counters: of histograms on a device other than the CPU.
        device_memory: free on that device; absent for the CPU.
        disk: for the capture run.
        disk_free: below the cache folder; absent where that is a URL, of which nobody says it.
        problems: errors of one sentence each; any of them stops the work.
        warnings: one sentence each.
        budget: bytes that the process may take, absent for no bound.
        least: bytes that a budget must have; 0 where the verb takes none.
    """

    weights: int
    statistics: int
    activation: int
    quantised: int
    beside: Mapping[str, int]
    memory: int
    disk: int
    disk_free: int | None
    counters: int
    device_memory: int | None
    problems: tuple[MorphoQuantError, ...]
    warnings: tuple[str, ...]
    budget: int | None = None
    least: int = 0

    @property
    def needed(self) -> int:
        """Bytes of memory at once: statistics are gone before methods are fitted."""
        whole = self.weights + self.activation + max(self.statistics, self.quantised + sum(self.beside.values()))
        return whole if self.budget is None else min(whole, max(self.budget, self.least))

    @property
    def needed_on_device(self) -> int:
        """Bytes of the device's memory at once; under a budget, what does not fit stays in main memory."""
        whole = self.weights + self.activation + max(self.counters, self.quantised + sum(self.beside.values()))
        return whole if self.budget is None or self.device_memory is None else min(whole, self.device_memory)

    @property
    def spare(self) -> int:
        """Bytes that are left where the model runs."""
        on_device = self.device_memory is not None
        return max(0, self.device_memory - self.needed_on_device if on_device else self.memory - self.needed)

    @property
    def parts(self) -> dict[str, int]:
        """What needs memory, by name."""
        found = {"weights": self.weights, "statistics": self.statistics, "largest activation": self.activation}
        more = {"quantised weights": self.quantised, **self.beside}
        return found | {name: value for name, value in more.items() if value}

    @property
    def of_disk(self) -> str:
        """ " of 3.0 GiB free", or nothing where that is not known."""
        return "" if self.disk_free is None else f" of {in_units(self.disk_free)} free"

    def lines(self) -> list[str]:
        """The figures and sentences, a line each."""
        told = [f"{name:20}{in_units(value):>12}" for name, value in self.parts.items()]
        if self.budget is not None:
            told.append(f"{'memory budget':20}{in_units(self.budget):>12}")
        if self.least:
            told.append(f"{'least budget':20}{in_units(self.least):>12}")
        told.append(f"{'memory at most':20}{in_units(self.needed):>12} of {in_units(self.memory)} available")
        if self.device_memory is not None:
            told.append(f"{'device at most':20}{in_units(self.needed_on_device):>12} of {in_units(self.device_memory)} free")
        told.append(f"{'disk at most':20}{in_units(self.disk):>12}{self.of_disk}")
        return [*told, *(f"warning: {one}" for one in self.warnings), *(f"problem: {one}" for one in self.problems)]


def preflight(
    model: nn.Module,
    takes: Collection[Modality],
    data: Data,
    cache: Path | str,
    *,
    keep_rows: int | None,
    captures: int = 1,
    specs: Sequence[QuantSpec] = (),
    at_once: int | None = None,
    scope: Collection[Component] = (),
    rows: int = 1,
    beside: Mapping[str, int] | None = None,
    memory: int | None = None,
    disk_free: int | None = None,
    device_memory: int | None = None,
    budget: int | None = None,
    methods: Sequence[Method] | None = None,
    weight_bytes: int = 4,
) -> Preflight:
    """Predicts what capturing `data`, quantising at `specs` and asking questions needs.

    Args:
        model: its parameters may be on the meta device.
        takes: the modalities that the model is fed with.
        data: what is run; of the calibration data, or of the evaluation where nothing is captured.
        cache: folder or URL where runs go; it need not exist.
        keep_rows: rows kept of each input and slot; absent where nothing is captured.
        captures: capture runs that are made, of as many samples each.
        specs: one for each set of quantised weights.
        at_once: sets of quantised weights that are held together; absent for all.
        scope: parts that are quantised.
        rows: questions that share a forward.
        beside: bytes of what else is held while methods are in place, by name.
        memory: bytes available; absent: what the system says.
        disk_free: bytes; absent: what the system says of `cache`.
        device_memory: bytes free on the device that the model runs on; absent for the CPU.
        budget: bytes that the process may take, absent for no bound.
        methods: that are fitted, where the verb takes a budget; absent where it takes none.
        weight_bytes: of each of the model's weights.
    """
    parts = components(model)
    linears = {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    widths = {name: (module.in_features, module.out_features) for name, module in linears.items()}
    runs = {name for name in linears if slots_of(name, parts[name], data.modalities)}
    meta = any(parameter.is_meta for parameter in model.parameters())
    held = 0 if keep_rows is None else statistics_bytes(widths, parts, data.modalities, keep_rows)
    waits = 0 if keep_rows is None else waiting_bytes(widths, runs) + fine_bytes(widths, parts, data.modalities)
    widest = {part: max((max(widths[name]) for name in linears if parts[name] is part), default=0) for part in _BODY}
    quantised = {name: linears[name] for name in linears if name in runs and parts[name] in scope}
    activation = 4 * max(data.tokens * max(widest.values()), rows * data.asked * widest[Component.LANGUAGE])
    least, sets = 0, min(len(specs), at_once or len(specs))
    weights = 4 * sets * sum(module.weight.numel() for module in quantised.values())
    aside = 0 if budget is None else held + (weights if data.asked else 0)
    if methods is not None:
        fitted = Fitted.of(list(quantised), sets, methods, data.tokens, weight_bytes)
        largest = max(parameter.numel() for parameter in model.parameters())
        least = least_budget(held_whole(widths, parts, largest, data.modalities, keep_rows, fitted), activation)
    found = Preflight(
        weights=weight_bytes * sum(parameter.numel() for parameter in model.parameters()) if meta else 0,
        statistics=held + waits,
        activation=activation,
        quantised=weights,
        beside=dict(beside or {}),
        memory=psutil.virtual_memory().available if memory is None else memory,
        disk=held * captures * -(-data.samples // SHARD) + aside,
        disk_free=_free(cache) if disk_free is None else disk_free,
        counters=4 * BIN_COUNT * channels_of(widths, parts, data.modalities) if held and device_memory is not None else 0,
        device_memory=device_memory,
        problems=(),
        warnings=tuple(_absent(data, takes)) if keep_rows is not None else (),
        budget=budget,
        least=least,
    )
    problems = [*_undivided(quantised, specs), *_scarce(found, keep_rows)]
    return replace(found, problems=tuple(problems))


def _absent(data: Data, takes: Collection[Modality]) -> Iterator[str]:
    for modality in CONTENT:
        if modality in takes and modality not in data.modalities:
            yield (
                f"the model takes {modality}, and no sample of {data.name} holds any: nothing will be known of it, and methods "
                "are fitted without it; add some to the calibration data."
            )


def _undivided(linears: Mapping[str, nn.Linear], specs: Iterable[QuantSpec]) -> Iterator[SpecError]:
    for group in sorted({spec.w_group for spec in specs if spec.w_group}):
        wrong = {name: module.in_features for name, module in linears.items() if module.in_features % group}
        if wrong:
            name, channels = next(iter(wrong.items()))
            more = f" (and of {len(wrong) - 1} layers more)" if len(wrong) > 1 else ""
            yield SpecError(
                f"cannot quantise the weight of {name}{more} in groups of {group}: it has {channels} input channels; choose a "
                "group size that divides them, or leave out -g."
            )


def _scarce(found: Preflight, keep_rows: int | None) -> Iterator[ModelError]:
    if found.budget is not None and found.budget < min(found.least, replace(found, budget=None).needed):
        yield ModelError(
            f"a memory budget of {in_units(found.budget)} is too little: a layer or block at a time may need "
            f"{in_units(found.least)}; give at least that, or go on all the same with --no-preflight."
        )
    if found.needed > found.memory:
        hint = f"bound it with --memory, which takes {in_units(found.least)} or more, " if found.least else ""
        hint = hint if found.budget is None and found.least < found.memory else ""
        hint += f"lower --keep-rows from {keep_rows}, " if keep_rows and found.statistics >= found.quantised else ""
        hint = hint or "give fewer methods at once, "
        yield ModelError(
            f"{in_units(found.needed)} of memory may be needed ({_told(found.parts)}) and {in_units(found.memory)} are "
            f"available: {hint}free some, or go on all the same with --no-preflight."
        )
    on_device = {"counters": found.counters, **{name: value for name, value in found.parts.items() if name != "statistics"}}
    if found.device_memory is not None and found.needed_on_device > found.device_memory:
        yield ModelError(
            f"{in_units(found.needed_on_device)} of the device's memory may be needed "
            f"({_told(on_device)}) and {in_units(found.device_memory)} are free: free some, give "
            "--device cpu, or go on all the same with --no-preflight."
        )
    if found.disk_free is not None and found.disk > found.disk_free:
        yield ModelError(
            f"{in_units(found.disk)} of disk may be needed and {in_units(found.disk_free)} are free: free some, choose another "
            "folder with --cache, or go on all the same with --no-preflight."
        )


def _told(parts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {in_units(value)}" for name, value in parts.items())


def _free(cache: Path | str) -> int | None:
    """Bytes free in the folder, or in the nearest one above it that exists; absent for a URL."""
    if not isinstance(cache, Path):
        return None
    return disk_usage(next(path for path in (cache.resolve(), *cache.resolve().parents) if path.is_dir())).free
