"""The least that a memory budget can be: what a command holds whole, however little it is given.

    process      what it holds before the model is loaded: Python and its libraries
    weight       the largest one in float32, while it is read for a forward
    input        the statistics of one input, as they are counted, and of another that has just made room
    summaries    of all inputs that are quantised: extremes and moments by modality, which some methods compare
    block        quantised weights of the largest block, once for each method
    linears      the weights of one input's linears in float32
    search       what a method takes to fit one linear; GPTQ's Hessian, say

Counting comes before fitting. A tenth of a budget is left for activations (`runs.budget`), or as much as the largest takes, if
that is more. Not foreseen: what methods hold that learn on whole blocks, and the forward of encoders.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import psutil

from morphoquant.core.layers import Component, block_path, role_of
from morphoquant.core.modality import CONTENT, Modality
from morphoquant.methods.base import Method
from morphoquant.runs.budget import LEFT
from morphoquant.runs.predicted_sizes import fine_bytes, inputs_of, statistics_bytes, waiting_bytes

# Arrays of the size of a weight, in float64, that a search holds beside the weights themselves.
_ARRAYS = 3
# Bytes of a channel's summary: its fields, over all tokens and by modality.
_SUMMARY = 8 * 6 * (1 + len(CONTENT))


@dataclass(frozen=True)
class Fitted:
    """What is fitted to the inputs.

    Attributes:
        linears: that are quantised.
        sets: of quantised weights.
        matrices: of a role, the square matrices of its width in float64 that a method holds while it is fitted to it.
    """

    linears: Collection[str] = ()
    sets: int = 0
    matrices: Callable[[str], int] = lambda role: 0


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
    return {"process": held, "weight": 4 * largest, "input": counted, **_fitting(widths, fitted)}


def least_budget(held: Mapping[str, int], activation: int) -> int:
    """Bytes, of what is held whole and of the largest activation."""
    fitting = held["summaries"] + held["block"] + held["linears"] + held["search"]
    most = held["process"] + held["weight"] + max(held["input"], fitting)
    return max(int(most / (1 - LEFT)), most + activation)


def _input(widths, parts, modalities: Collection[Modality], keep_rows: int) -> int:
    sizes = []
    for name in inputs_of(widths):
        one = {name: widths[name]}
        counted = statistics_bytes(one, parts, modalities, keep_rows) + fine_bytes(one, parts, modalities)
        sizes.append(counted + waiting_bytes(one, {name}))
    return 2 * max(sizes, default=0)


def _fitting(widths, fitted: Fitted) -> dict[str, int]:
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
    }
