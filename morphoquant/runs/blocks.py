"""Blocks of a model on the sequences that a capture keeps: what each was given, and what quantised ones make of it."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from morphoquant.core.errors import ModelError
from morphoquant.core.layers import block_path
from morphoquant.core.modality import PADDING
from morphoquant.hooks.modality_hooks import ModalityHooks
from morphoquant.methods.base import GroupFit, Need
from morphoquant.methods.blocks import BlockCall, BlockInputs, without_memories
from morphoquant.quant.residence import at_hand, device_of, is_offloaded, resident
from morphoquant.runs.inputs import CalibrationInputs
from morphoquant.runs.keeping import has_forward
from morphoquant.runs.sequences import sequences

# Largest difference of a block run alone, as a share of the largest output, for which it counts as the same; in half precision
# the step at the largest output.
TOLERANCE = 1e-4


class Blocks:
    """The blocks in scope that can be run alone.

    Hidden states of all of them are held at once, in the model's own type: blocks x kept tokens x channels numbers.

    Args:
        inputs: what the capture says of the groups; the model is run on the sequences that it keeps.
        groups: those whose blocks are wanted; absent: all in scope.
    """

    def __init__(self, inputs: CalibrationInputs, groups: Sequence[str] | None = None):
        if is_offloaded(inputs.model) and device_of(inputs.model).type != "cpu":
            raise ModelError(
                "methods that are fitted to whole blocks are not yet fitted to a model that is larger than its device: give "
                "--device cpu, or choose others."
            )
        self._inputs = inputs
        members: dict[str, list[str]] = {}
        for group in inputs.groups if groups is None else groups:
            name = block_path(group)
            if name is not None and has_forward(inputs.model.get_submodule(name)):
                members.setdefault(name, []).append(group)
        calls = _recorded(inputs.model, {name: groups[0] for name, groups in members.items()}, sequences(inputs.run).values())
        self._calls = {name: found for name, found in calls.items() if found and _same_alone(inputs.model, name, found[0])}
        self._members = {name: members[name] for name in self._calls}

    def holding(self, group: str) -> str | None:
        """Name of the block that holds the group; None if none that can be run alone does."""
        name = block_path(group)
        return name if name in self._members else None

    def calls(self, name: str) -> list[BlockCall]:
        """Runs of a block in the model, in order."""
        return self._calls[name]

    @contextmanager
    def in_work(self, name: str) -> Iterator[list[BlockCall]]:
        """Its runs in main memory and at least in float32, as its weights are inside the `with`."""
        module = self._inputs.model.get_submodule(name)
        with resident(module), at_hand(module):
            yield [call.in_full(module) for call in self._calls[name]]

    def inputs(self, name: str, calls: list[BlockCall], needs: Collection[Need]) -> BlockInputs:
        """What a method sees of a block whose quantised inputs are those of `calls`."""
        groups = {group: self._inputs.group(group, needs) for group in self._members[name]}
        return BlockInputs(self._inputs.model, name, groups, calls)


@dataclass(eq=False)
class Flow:
    """Hidden states as the quantised blocks so far have left them, of one method and spec.

    A block's input is the output of the block fitted last wherever both are equal in the model itself; else, as at the beginning
    of a tower, it is that of full precision.
    """

    _last: list[tuple[Tensor, Tensor]] = field(default_factory=list)

    def into(self, calls: list[BlockCall]) -> list[BlockCall]:
        """The calls with the quantised inputs that they get."""
        return [call.after(self._given(place, call)) for place, call in enumerate(calls)]

    def out_of(self, block: BlockInputs, fits: Mapping[str, GroupFit]) -> None:
        """Runs the block as it was fitted, for the next one."""
        self._last = [(call.own.wanted, output) for call, output in zip(block.calls, block.outputs(fits), strict=True)]

    def _given(self, place: int, call: BlockCall) -> Tensor:
        if place < len(self._last):
            exact, quantised = self._last[place]
            if exact.shape == call.exact.shape and torch.equal(exact, call.own.exact):
                return quantised
        return call.exact


@dataclass(eq=False)
class _Labels:
    """Which rows of each input are padding in the sequence that runs now."""

    slots: dict[str, Tensor] = field(default_factory=dict)

    def on_input(self, group: str, module: nn.Linear, x: Tensor, slots: Tensor, keys: Tensor) -> None:
        self.slots[group] = slots


def _recorded(model: nn.Module, first: Mapping[str, str], batches: Iterable[Mapping[str, Any]]) -> dict[str, list[BlockCall]]:
    """The calls of each block, whose first group is given; without those of blocks that take or give no hidden states."""
    found: dict[str, list[BlockCall]] = {name: [] for name in first}
    other: set[str] = set()
    labels = _Labels()

    def after(name: str):
        def watch(module: nn.Module, args: tuple, kwargs: dict, output: Any) -> None:
            call = _call(args, kwargs, output, labels.slots.get(first[name]))
            if call is None:
                other.add(name)
            else:
                found[name].append(call)

        return watch

    with ExitStack() as stack:
        hooks = stack.enter_context(ModalityHooks(model, labels))
        for name in first:
            handle = model.get_submodule(name).register_forward_hook(after(name), with_kwargs=True)
            stack.callback(handle.remove)
        device = device_of(model)
        for batch in batches:
            labels.slots.clear()
            hooks.run({name: value.to(device) for name, value in batch.items()})
    return {name: [] if name in other else calls for name, calls in found.items()}


def _call(args: tuple, kwargs: dict, output: Any, slots: Tensor | None) -> BlockCall | None:
    named = None if args and isinstance(args[0], Tensor) else "hidden_states"
    hidden = args[0] if named is None else kwargs.get(named)
    wanted = output if isinstance(output, Tensor) or not output else output[0]
    if not (isinstance(hidden, Tensor) and isinstance(wanted, Tensor) and hidden.shape == wanted.shape):
        return None
    keep = torch.ones(hidden.shape[:-1], dtype=torch.bool, device=hidden.device)
    if slots is not None and len(slots) == keep.numel():
        keep = (slots != PADDING).to(keep.device).reshape(keep.shape)
    rest = args[1:] if named is None else args
    others = without_memories({name: value for name, value in kwargs.items() if name != named})
    return BlockCall(rest, others, named, hidden, hidden, wanted, keep)


def _same_alone(model: nn.Module, name: str, call: BlockCall) -> bool:
    """Whether the block gives alone what it gave inside the model, in the model's own type."""
    with torch.no_grad():
        alone = call.run(model.get_submodule(name), call.exact)
    share = max(TOLERANCE, torch.finfo(alone.dtype).eps)
    return float((alone - call.wanted).abs().max()) <= share * float(call.wanted.abs().max())
