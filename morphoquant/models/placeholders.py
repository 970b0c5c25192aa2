"""Which input id stands for which modality, read from a model's config."""

from typing import Any

from morphoquant.core.modality import Modality
from morphoquant.models.families.base import family_of, number_at

# Order matters: an id that serves two modalities belongs to the first.
PLACED = (Modality.IMAGE, Modality.AUDIO, Modality.VIDEO)
_SUB_CONFIG = {Modality.IMAGE: "vision_config", Modality.AUDIO: "audio_config", Modality.VIDEO: "vision_config"}


def reading_config(config: Any) -> Any:
    """The config that names the placeholder ids: the thinker's where a model has one, else the model's own."""
    return getattr(config, "thinker_config", None) or config


def placeholder_ids(config: Any) -> dict[int, Modality]:
    """Placeholder id -> modality, for the modalities that have one.

    Args:
        config: a transformers config, or anything with its attributes.
    """
    config = reading_config(config)
    family = family_of(config)
    ids: dict[int, Modality] = {}
    for modality in PLACED:
        found = number_at(config, family.ids[modality]) if modality in family.ids else _searched(config, modality)
        if found is not None:
            ids.setdefault(found, modality)
    return ids


def _searched(config: Any, modality: Modality) -> int | None:
    for holder in (config, getattr(config, _SUB_CONFIG[modality], None)):
        for ending in ("token_id", "token_index"):
            value = getattr(holder, f"{modality}_{ending}", None)
            if type(value) is int:
                return value
    return None
