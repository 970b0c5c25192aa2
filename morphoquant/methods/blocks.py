"""A decoder or encoder block that can be run alone, for methods that are fitted to the output of whole blocks.

A method that declares `Need.BLOCKS` has `fit_block(block, spec, survey)` beside `fit`, which gives the fits of all groups of a
block by group name, and says as `holds` what that takes. Groups outside blocks, and those of blocks that cannot be run alone,
come to `fit`.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from morphoquant.methods.base import GroupFit, GroupInputs
from morphoquant.quant.linear import quantized
from morphoquant.quant.residence import HALF, widened

# Arguments that carry what earlier tokens left behind; sequences are whole, so that there is nothing before them.
_MEMORIES = ("past_key_values", "past_key_value")


def without_memories(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of a block, none of which carries what earlier tokens left behind."""
    return {name: None if name in _MEMORIES else value for name, value in kwargs.items()}


@dataclass(frozen=True, eq=False)
class BlockCall:
    """One run of a block on one sequence.

    Attributes:
        args: positional arguments, without the hidden states where these are the first of them.
        kwargs: arguments by name, likewise, and without memories, which would hold the keys and values of all blocks.
        named: name of the argument that takes the hidden states, None where they are the first positional one.
        exact: hidden states in full precision [..., tokens, C].
        given: the same as the quantised blocks before this one leave them.
        wanted: the block's output on `exact`, in full precision.
        keep: False for padding, bool, the axes of the hidden states but the last.
        narrow: the call in the model's own type and on its device, where this one is not.
    """

    args: tuple
    kwargs: Mapping[str, Any]
    named: str | None
    exact: Tensor
    given: Tensor
    wanted: Tensor
    keep: Tensor
    narrow: "BlockCall | None" = None

    @property
    def own(self) -> "BlockCall":
        """The call in the model's own type, in which one block's output is the next one's input."""
        return self.narrow or self

    def in_full(self, module: nn.Module) -> "BlockCall":
        """The call in main memory and at least in float32, where what is wanted is what `module`, as its weights are then, makes
        of `exact`."""
        if self.exact.dtype not in HALF and self.exact.device.type == "cpu":
            return self
        args, kwargs, exact, keep = map(_at_hand, (self.args, self.kwargs, self.exact, self.keep))
        found = replace(self, args=args, kwargs=kwargs, exact=exact, given=exact, keep=keep, narrow=self)
        with torch.no_grad():
            return replace(found, wanted=found.run(module, exact))

    def run(self, module: nn.Module, hidden: Tensor) -> Tensor:
        """What `module` makes of `hidden` with the arguments of this call; same shape."""
        if self.named is None:
            output = module(hidden, *self.args, **self.kwargs)
        else:
            output = module(*self.args, **self.kwargs, **{self.named: hidden})
        return output if isinstance(output, Tensor) else output[0]

    def after(self, given: Tensor) -> "BlockCall":
        """The call with other quantised inputs."""
        return replace(self, given=given)


@dataclass(frozen=True)
class Holds:
    """What learning a block takes at most, beside the block, its hidden states and what one weight is rounded with; in float32.

    Attributes:
        weights: arrays of the size of the weights that are learned together, of all its linears or of those of one input.
        values: arrays of the size of all its linears' inputs and outputs on the longest sequence.
    """

    weights: int = 1
    values: int = 1


@dataclass(frozen=True, eq=False)
class BlockInputs:
    """All that a method sees of a block.

    Attributes:
        model: the model in full precision; a block of a model of half precision is at least in float32.
        name: the block's module path.
        groups: the inputs of its groups, in the order they run.
        calls: its runs on the kept sequences, at least one.
    """

    model: nn.Module
    name: str
    groups: Mapping[str, GroupInputs]
    calls: Sequence[BlockCall]

    @property
    def module(self) -> nn.Module:
        """The block."""
        return self.model.get_submodule(self.name)

    def behind_biases(self) -> frozenset[str]:
        """Groups whose input is what an nn.LayerNorm with a bias gives, untouched: the bias can take a shift of it."""
        given: list[Tensor] = []
        found = set()
        with torch.no_grad(), ExitStack() as stack:
            for module in self.module.modules():
                if isinstance(module, nn.LayerNorm) and module.bias is not None:
                    stack.callback(module.register_forward_hook(lambda _, args, output: given.append(output)).remove)
            for group in self.groups:

                def look(linear: nn.Module, args: tuple, group: str = group) -> None:
                    if any(args[0] is one for one in given):
                        found.add(group)

                stack.callback(self.model.get_submodule(group).register_forward_pre_hook(look).remove)
            self.calls[0].run(self.module, self.calls[0].exact)
        return frozenset(found)

    def outputs(self, fits: Mapping[str, GroupFit]) -> list[Tensor]:
        """Output of each call on its quantised inputs, the block's linears quantised as `fits` say, others as they are."""
        with torch.no_grad(), quantized(self.model, fits):
            return [call.run(self.module, call.given) for call in self.calls]

    def error(self, fits: Mapping[str, GroupFit], power: float = 2.0) -> float:
        """Mean over tokens, padding left out, of the sum over channels of |output - wanted|^power."""
        total, rows = 0.0, 0
        for call, output in zip(self.calls, self.outputs(fits), strict=True):
            off = (output - call.wanted)[call.keep].double().abs()
            total += float((off.square() if power == 2 else off.pow(power)).sum())
            rows += len(off)
        return total / max(rows, 1)


def _at_hand(value: Any) -> Any:
    """Arguments with every tensor in main memory, and at least in float32 if it is of floating point."""
    if isinstance(value, Tensor):
        return widened(value.cpu())
    if isinstance(value, Mapping):
        return {name: _at_hand(one) for name, one in value.items()}
    return type(value)(map(_at_hand, value)) if type(value) in (tuple, list) else value
