"""Methods as llm-compressor's modifiers: what each becomes, what it does otherwise, and which have no counterpart.

Source: the modifiers of llm-compressor 0.14.0.1: QuantizationModifier, GPTQModifier, SmoothQuantModifier, AWQModifier and
QuIPModifier, which rotates the input of every linear online, as `quarot` does here; SpinQuantModifier folds rotations that all
layers share, and does not learn them.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from morphoquant.core.layers import block_path
from morphoquant.takeaway.recipe_schemes import RecipeError
from morphoquant.takeaway.recipe_targets import pattern_by_role, patterns

ROUND = "QuantizationModifier"
Fields = Mapping[str, Any]


@dataclass(frozen=True)
class Piece:
    """What one method becomes.

    Attributes:
        modifier: name of the class; absent where the method only says how the last one rounds.
        args: its arguments.
        rounds: whether the modifier is the one that quantises.
        grid: placement of static activation grids, as rtn has it.
        group: of the width of an input, the channels that share a weight scale; absent where the spec says it.
        remarks: what it does otherwise than the run, in sentences.
    """

    modifier: str | None = None
    args: Mapping[str, Any] = field(default_factory=dict)
    rounds: bool = False
    grid: str = "symmetric"
    group: Callable[[int], int | None] | None = None
    remarks: tuple[str, ...] = ()


def pieces(method: str, fields: Fields, layers: pd.DataFrame) -> list[Piece]:
    """What a method, or each of several joined by "+", becomes.

    Args:
        method: name as in a plan.
        fields: as in a plan.
        layers: the quantised linears: layer, group, component.

    Raises:
        RecipeError: there is no counterpart.
    """
    names = method.split("+")
    found = []
    for name in names:
        own = {key.partition(".")[2]: fields[key] for key in fields if key.startswith(f"{name}.")} if len(names) > 1 else fields
        if name not in _BECOMES:
            raise RecipeError(_WITHOUT.get(name, f"llm-compressor has no {name}"))
        found.append(_BECOMES[name](own, layers))
    return found


def _rtn(fields: Fields, layers: pd.DataFrame) -> Piece:
    _only("rtn", fields, clip=1.0, restricted=False)
    return Piece(grid=fields.get("grid", "symmetric"))


def _zeroquant(fields: Fields, layers: pd.DataFrame) -> Piece:
    most = int(fields.get("group", 64))
    return Piece(group=lambda width: next((size for size in range(min(most, width), 15, -1) if width % size == 0), None))


def _gptq(fields: Fields, layers: pd.DataFrame) -> Piece:
    order = "static" if fields.get("act_order") else None
    args = dict(block_size=128, dampening_frac=fields.get("damping", 0.01), actorder=order)
    return Piece("GPTQModifier", args, rounds=True, remarks=("GPTQ there sees inputs of the model quantised so far.",))


def _smoothquant(fields: Fields, layers: pd.DataFrame) -> Piece:
    _only("smoothquant", fields, search=False)
    mapped, left = _behind(_NORMS, layers)
    mappings = [[balanced, norm] for norm, balanced in mapped]
    args = dict(smoothing_strength=fields.get("alpha", 0.5), mappings=mappings)
    return Piece("SmoothQuantModifier", args, remarks=_not_scaled("smoothed", left))


def _awq(fields: Fields, layers: pd.DataFrame) -> Piece:
    mapped, left = _behind(_NORMS | _PRODUCTS, layers)
    mappings = [dict(smooth_layer=above, balance_layers=balanced) for above, balanced in mapped]
    said = ("AWQ there does not clip weights.",) if fields.get("clip", True) else ()
    args = dict(mappings=mappings, duo_scaling=False, n_grid=fields.get("ratios", 20))
    return Piece("AWQModifier", args, remarks=(*said, *_not_scaled("scaled", left)))


def _quarot(fields: Fields, layers: pd.DataFrame) -> Piece:
    _only("quarot", fields, clip=1.0)
    args = dict(rotations=["v"], transform_type="random-hadamard", targets=patterns(list(layers["layer"])), ignore=[])
    return Piece("QuIPModifier", args, remarks=("Its rotations have other random signs.",))


def _spinquant(fields: Fields, layers: pd.DataFrame) -> Piece:
    if fields.get("steps", 20):
        raise RecipeError("SpinQuantModifier does not learn its rotations, and those of spinquant are learned")
    return _quarot({}, layers)


_BECOMES: dict[str, Callable[[Fields, pd.DataFrame], Piece]] = {
    "rtn": _rtn,
    "zeroquant": _zeroquant,
    "gptq": _gptq,
    "smoothquant": _smoothquant,
    "awq": _awq,
    "quarot": _quarot,
    "spinquant": _spinquant,
}
_BYPASS = "keeps large values of outlier channels in full precision beside the grid, for which llm-compressor has no operation"
_BOUNDS = "finds bounds for each input channel, and a recipe holds no scales, nor has llm-compressor one a channel"
_BY_MODALITY = "quantises the rows of each modality in their own way, and llm-compressor does not tell modalities apart"
_WITHOUT = {
    "dabc": f"dabc {_BYPASS}",
    "mdqfo": f"mdqfo {_BOUNDS}",
    "morphoquant": f"morphoquant {_BYPASS}, and {_BOUNDS}",
    "morphomodal": f"morphomodal {_BYPASS}, and {_BOUNDS}",
    "mquant": f"mquant {_BY_MODALITY}",
    "masquant": f"masquant {_BY_MODALITY}",
    "mbq": "mbq weighs errors by the gradients of each modality, which AWQModifier does not",
    "osplus": "osplus shifts inputs as well as scaling them, and llm-compressor's smoothing scales alone",
    "llm_int8": "llm_int8 multiplies outlier channels in full precision, for which llm-compressor has no operation",
    "atom": "atom keeps outlier channels at more bits within a layer, and a layer has one scheme in llm-compressor",
    "easyquant": "easyquant searches a clip of each input and of each output channel's weights, and a recipe holds no scales",
    "omniquant": "omniquant learns clipping and scales, which no modifier of llm-compressor does",
    "qvlm": "qvlm searches bounds by blocks, and a recipe holds no scales",
}
# Where blocks are named as transformers names those of Llama and its kin: the norm before the input of these linears, and the
# linear whose product with another makes it.
_NORMS = {"q_proj": "input_layernorm", "gate_proj": "post_attention_layernorm"}
_PRODUCTS = {"down_proj": "mlp.up_proj"}


def _only(name: str, fields: Fields, **allowed: Any) -> None:
    for key, value in allowed.items():
        if fields.get(key, value) != value:
            raise RecipeError(f"llm-compressor has nothing like {name}:{key}={fields[key]}")


def _behind(above: Mapping[str, str], layers: pd.DataFrame) -> tuple[list[tuple[str, list[str]]], list[str]]:
    """(pattern of what takes the scale, patterns of the linears behind it) by kind of group; and linears behind neither."""
    kinds: dict[tuple[str, str], tuple[list[str], list[str]]] = {}
    left: list[str] = []
    for group, members in layers.groupby("group", sort=False):
        takes, block = above.get(group.rpartition(".")[2]), block_path(group)
        if takes is None or block is None or not re.search(r"layers\.\d+\.(self_attn|mlp)\.\w+$", group):
            left += list(members["layer"])
            continue
        takers, linears = kinds.setdefault((takes, re.sub(r"\d+", "", block)), ([], []))
        takers.append(f"{block}.{takes}")
        linears += list(members["layer"])
    if not kinds:
        raise RecipeError("what stands before a linear is known for blocks that are named as those of Llama alone")
    return [(pattern_by_role(takers)[0], pattern_by_role(linears)) for takers, linears in kinds.values()], left


def _not_scaled(word: str, left: Sequence[str]) -> tuple[str, ...]:
    roles = sorted({layer.rpartition(".")[2] for layer in left})
    return (f"Not {word} there, but in the run, are the inputs of {', '.join(roles)}.",) if roles else ()
