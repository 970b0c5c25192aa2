"""Which modalities a module says it takes."""

from torch import nn

from morphoquant.core.modality import Modality

_MAIN_INPUT = {"pixel_values": "image", "pixel_values_videos": "video", "input_features": "audio", "input_values": "audio"}
_NAMES = {str(modality): modality for modality in (Modality.TEXT, Modality.IMAGE, Modality.AUDIO, Modality.VIDEO)}


def own_modalities(module: nn.Module) -> frozenset[str]:
    """Modalities a sub-model declares by `input_modalities` or `main_input_name` in its own class; empty if it says nothing."""
    return declared_modalities(type(module))


def declared_modalities(kind: type[nn.Module]) -> frozenset[str]:
    """The same of a class.

    What a class inherits from transformers' base class is a default, not a statement, so only classes below it count.
    """
    for cls in kind.__mro__:
        if cls.__name__ == "PreTrainedModel" or cls is nn.Module:
            break
        if "input_modalities" in vars(cls):
            declared = cls.input_modalities
            return frozenset([declared] if isinstance(declared, str) else declared) & frozenset(_NAMES)
        if vars(cls).get("main_input_name") in _MAIN_INPUT:
            return frozenset([_MAIN_INPUT[cls.main_input_name]])
    return frozenset()


def content_modalities(module: nn.Module) -> tuple[Modality, ...]:
    """The modalities besides text that a module declares."""
    return tuple(_NAMES[name] for name in sorted(own_modalities(module) - {"text"}))
