"""Which part of the model each linear stands in, from the module tree."""

import re

from torch import nn

from morphoquant.core.layers import Component
from morphoquant.models.modalities import own_modalities

_CONNECTOR = re.compile(
    r"(^|_)(projector|projectors|merger|connector|resampler|aligner|adapter)(_|$)|^mlp1$|^embed_(vision|audio)$"
)
_VISION = re.compile(r"(^|_)(visual|vision|image|vit)(_|$)")
_AUDIO = re.compile(r"(^|_)(audio|speech)(_|$)")


def components(model: nn.Module) -> dict[str, Component]:
    """Component of every nn.Linear by its full name.

    A linear under a module called projector, merger, connector and the like belongs to a connector; else under a sub-model
    whose only inputs are images, video or audio (by its own declaration or, failing that, by its name) to that tower; the
    output embeddings are the head; everything else is the language model.
    """
    modules = dict(model.named_modules())
    head = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    return {name: _component(name, module, modules, head) for name, module in modules.items() if isinstance(module, nn.Linear)}


def _component(name: str, linear: nn.Module, modules: dict[str, nn.Module], head: nn.Module | None) -> Component:
    parts = name.split(".")
    if linear is head or parts[-1] == "lm_head":
        return Component.HEAD
    if any(_CONNECTOR.search(part) for part in parts):
        return Component.CONNECTOR
    for depth in range(1, len(parts)):
        declared = own_modalities(modules[".".join(parts[:depth])])
        if declared == {"audio"}:
            return Component.AUDIO
        if declared and declared <= {"image", "video"}:
            return Component.VISION
        if declared == {"text"}:
            return Component.LANGUAGE
    if any(_AUDIO.search(part) for part in parts):
        return Component.AUDIO
    if any(_VISION.search(part) for part in parts):
        return Component.VISION
    return Component.LANGUAGE
