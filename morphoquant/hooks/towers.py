"""What the rows of a tower are while it runs: wraps get_*_features and towers that are called directly."""

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from morphoquant.core.modality import Modality
from morphoquant.models.families.base import Family
from morphoquant.models.modalities import content_modalities, own_modalities
from morphoquant.models.placeholders import reading_config

FEATURES = {
    "get_image_features": Modality.IMAGE,
    "get_video_features": Modality.VIDEO,
    "get_audio_features": Modality.AUDIO,
}
# How a call says where the patches of its images are; padding is at -1.
PATCH_PLACES = ("pixel_position_ids", "image_position_ids", "video_position_ids")
_ABSENT = object()


@dataclass(frozen=True, eq=False)
class TowerCall:
    """A running call of a tower.

    Attributes:
        candidates: what its rows may be; exactly one where it is known.
        module: the module whose method runs.
        patch_mask: bool [images, rows], false on padding, where the call was given one.
    """

    candidates: tuple[Modality, ...]
    module: nn.Module
    patch_mask: Tensor | None = None


class Towers:
    """The stack of running tower calls of a model; the outermost names the modality.

    The outermost, because one path may call another: Qwen3-VL computes its video features with get_image_features.

    Args:
        model: the whole model.
        family: its exceptions.
    """

    def __init__(self, model: nn.Module, family: Family):
        self.model = model
        self.family = family
        self.config = reading_config(getattr(model, "config", None))
        self.running: list[TowerCall] = []

    @property
    def active(self) -> bool:
        """Whether a tower or a connector runs now."""
        return bool(self.running)

    @property
    def candidates(self) -> tuple[Modality, ...]:
        """What the rows of the outermost running call may be."""
        return self.running[0].candidates if self.running else ()

    @property
    def patch_mask(self) -> Tensor | None:
        """The patch mask of the innermost call that was given one."""
        return next((call.patch_mask for call in reversed(self.running) if call.patch_mask is not None), None)

    def watch(self, stack: ExitStack) -> None:
        """Wraps the model's methods on their instances until `stack` closes."""
        for module, method, candidates in list(self._watched()):
            self._wrap(stack, module, method, candidates)

    def reached(self) -> frozenset[Modality]:
        """The modalities of which some rows of a tower can be named."""
        return frozenset(modality for _, _, candidates in self._watched() for modality in candidates)

    def _watched(self) -> Iterator[tuple[nn.Module, str, tuple[Modality, ...]]]:
        """Modules and methods that run towers, with what their rows may be."""
        for name, module in self.model.named_modules():
            for method, modality in FEATURES.items():
                if callable(getattr(module, method, None)):
                    yield module, method, (modality,)
            direct = self._direct(name, module) if name else ()
            if direct:
                yield module, "forward", direct

    def _direct(self, name: str, module: nn.Module) -> tuple[Modality, ...]:
        last = name.rsplit(".", 1)[-1]
        if last in self.family.towers:
            return (self.family.towers[last],)
        declared = own_modalities(module)
        if declared and "text" not in declared:
            return content_modalities(module)
        if last.endswith("multi_modal_projector"):
            return content_modalities(self.model)
        return ()

    def _wrap(self, stack: ExitStack, module: nn.Module, method: str, candidates: tuple[Modality, ...]) -> None:
        before = vars(module).get(method, _ABSENT)
        original: Callable[..., Any] = getattr(module, method)
        names = tuple(inspect.signature(original).parameters)

        @functools.wraps(original)
        def watched(*args, **kwargs):
            mask = _patch_mask({**dict(zip(names, args, strict=False)), **kwargs})
            self.running.append(TowerCall(candidates, module, mask))
            try:
                return original(*args, **kwargs)
            finally:
                self.running.pop()

        setattr(module, method, watched)
        stack.callback(_restore, module, method, before)


def _patch_mask(given: Mapping[str, Any]) -> Tensor | None:
    """Bool [images, patches], false on padding, of the arguments of a call; absent where they say nothing of it."""
    mask = given.get("patch_attention_mask")
    if isinstance(mask, Tensor):
        return mask.reshape(len(mask), -1).bool()
    places = next((given[name] for name in PATCH_PLACES if isinstance(given.get(name), Tensor)), None)
    return None if places is None else (places != -1).any(-1)


def _restore(module: nn.Module, method: str, before: Any) -> None:
    if before is _ABSENT:
        delattr(module, method)
    else:
        setattr(module, method, before)
