"""Family: what a model family declares where it breaks the generic rule. Files beside this one register one each."""

from dataclasses import dataclass, field
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType
from typing import Any

from morphoquant.core.modality import Modality
from morphoquant.core.registry import Registry


@dataclass(frozen=True)
class Family:
    """Exceptions of one model family; every default is the generic rule.

    Attributes:
        model_types: values of `config.model_type` that the exceptions hold for.
        why: one sentence on what is different.
        ids: modality -> path of its placeholder id in the config ("vision_config.image_token_id"), instead of the generic
            search; an empty path says that the modality has no placeholder.
        towers: last path part of a module -> modality of its rows, for towers that neither get_*_features calls nor one
            input modality give away.
        shared_placeholder: images and video frames stand behind the same placeholder id, so a batch has to say which it
            holds (`models.shared_placeholder`).
        apart: why images and videos cannot be in one batch; empty where they can.
        audio_chunk: path in the config of half the frames of the chunks that clips are cut into before they are convolved; empty
            where they stay whole.
    """

    model_types: tuple[str, ...]
    why: str
    ids: MappingProxyType[Modality, str] = field(default_factory=lambda: MappingProxyType({}))
    towers: MappingProxyType[str, Modality] = field(default_factory=lambda: MappingProxyType({}))
    shared_placeholder: bool = False
    apart: str = ""
    audio_chunk: str = ""


GENERIC = Family((), "The generic rule: ids by name in the config, towers by their get_*_features.")
FAMILIES: Registry[Family] = Registry("model family")


def number_at(config: Any, path: str) -> int | None:
    """The whole number at a path such as "audio_config.n_window"; absent if there is none, or no path."""
    value = config if path else None
    for part in filter(None, path.split(".")):
        value = getattr(value, part, None)
    return value if type(value) is int else None


def family_of(config: Any) -> Family:
    """The family registered for a config's `model_type`, or the generic rule."""
    for module in iter_modules(import_module(__package__).__path__):
        import_module(f"{__package__}.{module.name}")
    model_type = getattr(config, "model_type", None)
    found = [family for _, family in FAMILIES.items() if model_type in family.model_types]
    return found[0] if found else GENERIC
