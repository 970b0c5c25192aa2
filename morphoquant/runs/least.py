"""The least that a memory budget can be: what a command holds whole, however little it is given.

    process      what it holds before the model is loaded: Python and its libraries
    weight       the largest one in float32, while it is read for a forward
    input        the statistics of one input, as they are counted, and of another that has just made room
    summaries    of all inputs that are quantised: extremes and moments by modality, which some methods compare
    block        quantised weights of the largest block, once for each method
    linears      the weights of one input's linears in float32
    search       what a method takes to fit one linear; GPTQ's Hessian, say
    learning     what a method says that it `holds`, for all linears of one input or of one block; of a block also its weights as
                 they are and in float32, and hidden states before and behind it
    gradients    for methods that need them: what one block keeps for backward, and the inputs of all

Gradients and counting come before fitting. A tenth of a budget is left for activations (`runs.budget`), or as much as the largest
takes, if that is more. Not foreseen: the forward of encoders.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import psutil

from morphoquant.core.layers import Component, block_path, expert_of, role_of
from morphoquant.core.modality import CONTENT, Modality
from morphoquant.methods.base import Method, Need
from morphoquant.methods.blocks import Holds
from morphoquant.runs.budget import LEFT
from morphoquant.runs.predicted_sizes import fine_bytes, inputs_of, statistics_bytes, waiting_bytes
from morphoquant.runs.sequences import KEPT

# Arrays of the size of a weight, in float64, that a search holds beside the weights themselves.
_ARRAYS = 3
# Arrays of hidden states in float32, beside one for each method: as recorded, which is half of that twice, and after the block
# before; as they are given to the block, and what it makes of them in full precision; what the quantised block before it left.
_STATES = 5
# Arrays of the size of inputs and outputs that backward of a block keeps, and of the size of the logits, beside them.
_KEPT_VALUES, _LOGITS = 3, 2
# Experts that a token is routed to, at most.
_ROUTED = 8
# Bytes of a channel's summary: its fields, over all tokens and by modality.
_SUMMARY = 8 * 6 * (1 + len(CONTENT))


@dataclass(frozen=True)
class Fitted:
    """What is fitted to the inputs.

    Attributes:
        linears: that are quantised.
        sets: of quantised weights.
        matrices: of a role, the square matrices of its width in float64 that a method holds while it is fitted to it.
        alone: what each method holds that learns all linears of an input together.
        by_block: what each holds that is fitted to whole blocks.
        gradients: whether a method needs gradients.
        tokens: of the longest sequence.
        own: bytes of each of the model's numbers.
    """

    linears: Collection[str] = ()
    sets: int = 0
    matrices: Callable[[str], int] = lambda role: 0
    alone: Sequence[Holds] = ()
    by_block: Sequence[Holds] = ()
    gradients: bool = False
    tokens: int = 0
    own: int = 4

    @classmethod
    def of(cls, linears: Collection[str], sets: int, methods: Sequence[Method], tokens: int, own: int) -> "Fitted":
        """What `methods` are fitted to."""
        alone = [method.holds for method in methods if hasattr(method, "holds")]
        by_block = [method.holds for method in methods if Need.BLOCKS in method.needs]
        gradients = any(Need.GRADIENTS in method.needs for method in methods)
        return cls(linears, sets, matrices_of(methods), alone, by_block, gradients, tokens, own)


def matrices_of(methods: Sequence[Method]) -> Callable[[str], int]:
    """The most that one of the methods holds (`Fitted.matrices`)."""
    own = [method.matrices for method in methods if hasattr(method, "matrices")]
    return lambda role: max((of(role) for of in own), default=0)


def held_whole(
    widths: Mapping[str, tuple[int, int]],
    parts: Mapping[str, Component],
    largest: int,
    modalities: Collection[Modality],
    keep_rows: int | None,
    fitted: Fitted,
    process: int | None = None,
) -> dict[str, int]:
    """Bytes of each part, by its name above.

    Args:
        widths: (input, output) channels of each linear, in the order of the model.
        parts: the component of each.
        largest: numbers in the largest weight of the model.
        modalities: that the data hold.
        keep_rows: rows kept of each input and slot; absent where nothing is captured.
        fitted: what is fitted; nothing where sets are 0.
        process: bytes that the process holds; absent: what it holds now.
    """
    held = psutil.Process().memory_info().rss if process is None else process
    counted = 0 if keep_rows is None else _input(widths, parts, modalities, keep_rows)
    return {"process": held, "weight": 4 * largest, "input": counted, **held_by_fits(widths, fitted)}


def least_budget(held: Mapping[str, int], activation: int) -> int:
    """Bytes, of what is held whole and of the largest activation."""
    fitting = held["block"] + beside_fits(held)
    gradients = held["gradients"] and held["gradients"] + _LOGITS * activation
    most = held["process"] + held["weight"] + max(held["input"], fitting, gradients)
    return max(int(most / (1 - LEFT)), most + activation)


def beside_fits(held: Mapping[str, int]) -> int:
    """Bytes of what is held while groups are fitted, beside the quantised weights."""
    return sum(held[part] for part in ("summaries", "linears", "search", "learning"))


def _input(widths, parts, modalities: Collection[Modality], keep_rows: int) -> int:
    sizes = []
    for name in inputs_of(widths):
        one = {name: widths[name]}
        counted = statistics_bytes(one, parts, modalities, keep_rows) + fine_bytes(one, parts, modalities)
        sizes.append(counted + waiting_bytes(one, {name}))
    return 2 * max(sizes, default=0)


def held_by_fits(widths: Mapping[str, tuple[int, int]], fitted: Fitted) -> dict[str, int]:
    """Bytes of each part that is held for fits, by its name above.

    Args:
        widths: (input, output) channels of each linear, in the order of the model.
        fitted: what is fitted.
    """
    wanted, blocks, inputs, searches, channels = set(fitted.linears), defaultdict(int), [0], [0], 0
    for first, members in inputs_of(widths).items() if fitted.sets else ():
        sizes = [widths[name] for name in members if name in wanted]
        numbers = sum(width * outputs for width, outputs in sizes)
        channels += widths[first][0] if sizes else 0
        blocks[block_path(first) or first] += 4 * fitted.sets * numbers
        inputs.append(4 * numbers)
        matrices = fitted.matrices(role_of(first))
        searches += [8 * (matrices * width**2 + _ARRAYS * width * outputs) for width, outputs in sizes]
    return {
        "summaries": _SUMMARY * channels,
        "block": max(blocks.values(), default=0),
        "linears": max(inputs),
        "search": max(searches),
        "learning": max(_whole_block(widths, fitted), max(inputs) * _most(fitted.alone, "weights")),
        "gradients": _gradients(widths, fitted),
    }


def _whole_block(widths, fitted: Fitted) -> int:
    if not fitted.by_block:
        return 0
    arrays, values = (_most(fitted.by_block, name) for name in ("weights", "values"))
    states = KEPT * fitted.tokens * (_STATES + len(fitted.by_block))
    weight = fitted.own + 4 * arrays + (4 if fitted.own < 4 else 0)
    sizes = [
        weight * numbers + 4 * values * fitted.tokens * channels + 4 * states * width
        for numbers, channels, width in _blocks(widths, fitted.linears)
    ]
    return max(sizes, default=0)


def _most(holds: Sequence[Holds], of: str) -> int:
    return max((getattr(one, of) for one in holds), default=0)


def _gradients(widths, fitted: Fitted) -> int:
    blocks = list(_blocks(widths, fitted.linears)) if fitted.gradients else []
    inside = [numbers + _KEPT_VALUES * fitted.tokens * channels for numbers, channels, _ in blocks]
    return fitted.own * (max(inside, default=0) + fitted.tokens * sum(width for *_, width in blocks))


def _blocks(widths, linears: Collection[str]) -> Iterator[tuple[int, int, int]]:
    """Of each block the numbers in its weights, channels of the inputs and outputs of all linears that a token goes through, and
    those of the first's input, its hidden states."""
    found, experts = defaultdict(list), Counter()
    for name in linears:
        found[block_path(name)].append(name)
        experts[(expert_of(name) or (None,))[0], role_of(name)] += 1
    found.pop(None, None)
    for names in found.values():
        numbers = sum(widths[name][0] * widths[name][1] for name in names)
        passed = sum(sum(widths[name]) * _share(expert_of(name), experts, role_of(name)) for name in names)
        yield numbers, math.ceil(passed), widths[names[0]][0]


def _share(expert: tuple[str, int] | None, experts: Mapping[tuple[str, str], int], role: str) -> float:
    """Of a token, that a linear sees."""
    return 1.0 if expert is None else min(1.0, _ROUTED / experts[expert[0], role])
