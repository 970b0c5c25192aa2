"""Names of layers: which part of the model a linear belongs to, its block and its role.

Matched by path suffix, never by absolute path: releases of transformers move the prefixes.
"""

import re
from dataclasses import dataclass
from enum import StrEnum


class Component(StrEnum):
    """The part of the model a linear stands in; also the unit of a run's scope."""

    LANGUAGE = "language"
    VISION = "vision"
    AUDIO = "audio"
    CONNECTOR = "connector"
    HEAD = "head"


@dataclass(frozen=True)
class LayerInfo:
    """One nn.Linear that ran.

    Attributes:
        name: full module path, such as "model.language_model.layers.3.mlp.down_proj".
        group: name of the first linear that received the same input; statistics of the input stand under it.
        component: part of the model.
        block: index of the decoder or encoder block, absent for linears outside blocks.
        role: last part of the path, such as "down_proj".
        in_features: channels of the input (K).
        out_features: channels of the output (N).
    """

    name: str
    group: str
    component: Component
    block: int | None
    role: str
    in_features: int
    out_features: int


def block_of(name: str) -> int | None:
    """Index of the innermost numbered container of `name` that is followed by a further name, absent if none."""
    numbers = re.findall(r"\.(\d+)\.(?=[A-Za-z_])", f".{name}")
    return int(numbers[0]) if numbers else None


def block_path(name: str) -> str | None:
    """Path of the container that `block_of` numbers, such as "model.layers.3"; absent if none."""
    found = re.match(r"(.+?\.\d+)\.[A-Za-z_]", name)
    return found[1] if found else None


def expert_of(name: str) -> tuple[str, int] | None:
    """Path of the experts that a linear belongs to and the number of its own ("layers.3.mlp.experts.7.down_proj" ->
    ("layers.3.mlp.experts", 7)); absent outside of experts."""
    found = re.match(r"(.*?\bexperts)\.(\d+)\.", name)
    return (found[1], int(found[2])) if found else None


def role_of(name: str) -> str:
    """Last path part that is not a number: "mlp.0" -> "mlp.0", "self_attn.q_proj" -> "q_proj"."""
    parts = name.split(".")
    return ".".join(parts[-2:]) if parts[-1].isdigit() and len(parts) > 1 else parts[-1]


def short_name(name: str) -> str:
    """A label for charts: component prefixes dropped, block and role kept ("layers.3.mlp.down_proj" -> "L3 mlp.down_proj")."""
    found = re.search(r"(?:layers|layer|blocks|block|h)\.(\d+)\.(.+)$", name)
    return f"L{found[1]} {found[2]}" if found else ".".join(name.split(".")[-2:])
