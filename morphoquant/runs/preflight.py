"""What a capture and a quantisation will need, told before any long work: memory, disk, group sizes, calibration data.

A model of shapes alone is enough (`models.load.load(weights=False)`). Predictions are bounds from above, and close ones:

    weights      4 bytes a parameter
    statistics   as much as ChannelStats holds for a channel and slot, times the channels of all layer inputs and their slots,
                 the fine histograms, and the rows that wait to be counted
    activation   tokens of the longest sample times the widest input or output of a linear in the language model or the head
    quantised    4 bytes a weight in scope for each method, since all are fitted together
    disk         the statistics once for each shard of samples, before compression
    device       on a device other than the CPU: weights, activation, quantised weights, and its counters of the histograms

The inputs of q, k, v and of gate, up are one; linears of other names count alone, though they may turn out to share an input.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import disk_usage

import numpy as np
import psutil
from torch import nn

from morphoquant.core.errors import ModelError, MorphoQuantError, SpecError
from morphoquant.core.layers import Component, role_of
from morphoquant.core.modality import CONTENT, Modality
from morphoquant.core.spec import QuantSpec
from morphoquant.hooks.collector import GATHERED
from morphoquant.hooks.components import components
from morphoquant.runs.capture import SHARD
from morphoquant.stats.bins import BIN_COUNT, FINE_COUNT
from morphoquant.stats.channel_stats import ChannelStats
from morphoquant.stats.fine import WIDE

_SHARED = (("q_proj", "k_proj", "v_proj"), ("q", "k", "v"), ("query", "key", "value"), ("gate_proj", "up_proj"), ("w1", "w3"))
_SEEN = {Component.VISION: {Modality.IMAGE, Modality.VIDEO}, Component.AUDIO: {Modality.AUDIO}}
_NAMED = {
    "audio": {Modality.AUDIO},
    "speech": {Modality.AUDIO},
    "video": {Modality.VIDEO},
    "image": {Modality.IMAGE},
    "vis": {Modality.IMAGE, Modality.VIDEO},
}
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


@dataclass(frozen=True)
class Data:
    """What calibration data hold.

    Attributes:
        name: of the data.
        samples: how many.
        modalities: of their parts, as far as the model takes them.
        tokens: of the longest sample.
    """

    name: str
    samples: int
    modalities: frozenset[Modality]
    tokens: int


@dataclass(frozen=True)
class Preflight:
    """Figures in bytes, and what speaks against starting.

    Attributes:
        weights: still to be loaded; 0 for a model that is in memory.
        statistics: held while capturing, 0 where nothing is captured.
        activation: the largest one.
        quantised: weights of all methods, 0 without any.
        memory: available now.
        counters: of histograms on a device other than the CPU.
        device_memory: free on that device; absent for the CPU.
        disk: for the capture run.
        disk_free: below the cache folder.
        problems: errors of one sentence each; any of them stops the work.
        warnings: one sentence each.
    """

    weights: int
    statistics: int
    activation: int
    quantised: int
    memory: int
    disk: int
    disk_free: int
    counters: int
    device_memory: int | None
    problems: tuple[MorphoQuantError, ...]
    warnings: tuple[str, ...]

    @property
    def needed(self) -> int:
        """Bytes of memory at once: statistics are gone before methods are fitted."""
        return self.weights + self.activation + max(self.statistics, self.quantised)

    @property
    def needed_on_device(self) -> int:
        """Bytes of the device's memory at once."""
        return self.weights + self.activation + max(self.counters, self.quantised)

    def lines(self) -> list[str]:
        """The figures and sentences, a line each."""
        rows = [("weights", self.weights), ("statistics", self.statistics), ("largest activation", self.activation)]
        rows += [("quantised weights", self.quantised)] if self.quantised else []
        told = [f"{name:20}{in_units(value):>12}" for name, value in rows]
        told.append(f"{'memory at most':20}{in_units(self.needed):>12} of {in_units(self.memory)} available")
        if self.device_memory is not None:
            told.append(f"{'device at most':20}{in_units(self.needed_on_device):>12} of {in_units(self.device_memory)} free")
        told.append(f"{'disk at most':20}{in_units(self.disk):>12} of {in_units(self.disk_free)} free")
        return [*told, *(f"warning: {one}" for one in self.warnings), *(f"problem: {one}" for one in self.problems)]


def preflight(
    model: nn.Module,
    takes: Collection[Modality],
    data: Data,
    cache: Path,
    *,
    keep_rows: int | None,
    specs: Sequence[QuantSpec] = (),
    scope: Collection[Component] = (),
    memory: int | None = None,
    disk_free: int | None = None,
    device_memory: int | None = None,
) -> Preflight:
    """Predicts what capturing `data` and quantising at `specs` needs.

    Args:
        model: its parameters may be on the meta device.
        takes: the modalities that the model is fed with.
        data: the calibration data; those of the evaluation where nothing is captured.
        cache: where runs go; it need not exist.
        keep_rows: rows kept of each input and slot; absent where nothing is captured.
        specs: one for each method that is fitted.
        scope: parts that are quantised.
        memory: bytes available; absent: what the system says.
        disk_free: bytes; absent: what the system says of `cache`.
        device_memory: bytes free on the device that the model runs on; absent for the CPU.
    """
    parts = components(model)
    linears = {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)}
    widths = {name: (module.in_features, module.out_features) for name, module in linears.items()}
    runs = {name for name in linears if slots_of(name, parts[name], data.modalities)}
    meta = any(parameter.is_meta for parameter in model.parameters())
    held = 0 if keep_rows is None else statistics_bytes(widths, parts, data.modalities, keep_rows)
    beside = 0 if keep_rows is None else waiting_bytes(widths, runs) + fine_bytes(widths, parts, data.modalities)
    wide = [max(widths[name]) for name in linears if parts[name] in (Component.LANGUAGE, Component.HEAD)]
    quantised = {name: linears[name] for name in linears if name in runs and parts[name] in scope}
    found = Preflight(
        weights=4 * sum(parameter.numel() for parameter in model.parameters()) if meta else 0,
        statistics=held + beside,
        activation=4 * data.tokens * max(wide, default=0),
        quantised=4 * len(specs) * sum(module.weight.numel() for module in quantised.values()),
        memory=psutil.virtual_memory().available if memory is None else memory,
        disk=held * -(-data.samples // SHARD),
        disk_free=disk_usage(_existing(cache)).free if disk_free is None else disk_free,
        counters=4 * BIN_COUNT * _channels(widths, parts, data.modalities) if held and device_memory is not None else 0,
        device_memory=device_memory,
        problems=(),
        warnings=tuple(_absent(data, takes)) if keep_rows is not None else (),
    )
    problems = [*_undivided(quantised, specs), *_scarce(found, keep_rows)]
    return replace(found, problems=tuple(problems))


def statistics_bytes(
    widths: Mapping[str, tuple[int, int]], parts: Mapping[str, Component], modalities: Collection[Modality], keep_rows: int
) -> int:
    """Bytes that the statistics of all layer inputs hold at most, without rows that wait to be counted.

    Args:
        widths: (input, output) channels of each linear, in the order of the model.
        parts: the component of each.
        modalities: that the data hold.
        keep_rows: rows kept of each input and slot.
    """
    one = ChannelStats(1, keep_rows)
    one.update(np.zeros((1, 1), np.float32), np.zeros(1, np.int8), np.zeros(1, np.uint64))
    return one.nbytes * _channels(widths, parts, modalities)


def _channels(widths: Mapping[str, tuple[int, int]], parts: Mapping[str, Component], modalities: Collection[Modality]) -> int:
    """Channels of all inputs, each once for every slot."""
    return sum(widths[name][0] * slots_of(name, parts[name], modalities) for name in inputs_of(widths))


def waiting_bytes(widths: Mapping[str, tuple[int, int]], runs: Collection[str]) -> int:
    """Bytes of the rows that wait to be counted, for linears that run."""
    return sum(4 * GATHERED * widths[name][0] for name in inputs_of(widths) if name in runs)


def fine_bytes(widths: Mapping[str, tuple[int, int]], parts: Mapping[str, Component], modalities: Collection[Modality]) -> int:
    """Bytes of the histograms of the widest channels."""
    return 4 * WIDE * FINE_COUNT * sum(slots_of(name, parts[name], modalities) for name in inputs_of(widths))


def slots_of(name: str, part: Component, modalities: Collection[Modality]) -> int:
    """Slots that can occur in a linear: of sequences each modality, special tokens and the first token; of media each modality
    and its first row; none of a tower or connector whose media are absent, as far as its name says which they are."""
    media = set(modalities) - {Modality.TEXT}
    if part in (Component.LANGUAGE, Component.HEAD):
        return len(media) + 3
    said = next((seen for word, seen in _NAMED.items() if word in name.lower()), media)
    return 2 * len(media & _SEEN.get(part, said))


def inputs_of(widths: Mapping[str, tuple[int, int]]) -> Iterator[str]:
    """The first linear of each input."""
    seen = set()
    for name, (channels, _) in widths.items():
        role = role_of(name)
        shared = next((names for names in _SHARED if role in names), (name,))
        key = name.removesuffix(role), shared, channels
        if key not in seen:
            seen.add(key)
            yield name


def in_units(size: int) -> str:
    """Bytes in the largest unit of which there is one, such as "1.5 GiB"."""
    value, unit = float(size), 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{size} bytes" if unit == 0 else f"{value:.1f} {_UNITS[unit]}"


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
    if found.needed > found.memory:
        hint = f"lower --keep-rows from {keep_rows}, " if keep_rows and found.statistics >= found.quantised else ""
        hint = hint or "give fewer methods at once, "
        yield ModelError(
            f"{in_units(found.needed)} of memory may be needed (weights {in_units(found.weights)}, statistics "
            f"{in_units(found.statistics)}, quantised weights {in_units(found.quantised)}, largest activation "
            f"{in_units(found.activation)}) and {in_units(found.memory)} are available: {hint}free some, or go on all the same "
            "with --no-preflight."
        )
    if found.device_memory is not None and found.needed_on_device > found.device_memory:
        yield ModelError(
            f"{in_units(found.needed_on_device)} of the device's memory may be needed (weights {in_units(found.weights)}, "
            f"counters {in_units(found.counters)}, quantised weights {in_units(found.quantised)}, largest activation "
            f"{in_units(found.activation)}) and {in_units(found.device_memory)} are free: free some, give --device cpu, or go on "
            "all the same with --no-preflight."
        )
    if found.disk > found.disk_free:
        yield ModelError(
            f"{in_units(found.disk)} of disk may be needed and {in_units(found.disk_free)} are free: free some, choose another "
            "folder with --cache, or go on all the same with --no-preflight."
        )


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    return next(path for path in (folder.resolve(), *folder.resolve().parents) if path.is_dir())
