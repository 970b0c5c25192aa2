"""Which multimodal classes of the installed transformers the rules of rows reach, and why not the others.

A class is judged by its default config and by its modules, built without weights. What it runs on is not known of it: that its
rows are labelled as it is said here is shown by running tiny models of the classes that the tests name.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from morphoquant.core.layers import Component
from morphoquant.core.modality import CONTENT, Modality
from morphoquant.hooks.components import components
from morphoquant.hooks.towers import FEATURES, Towers
from morphoquant.models.families.base import family_of
from morphoquant.models.modalities import declared_modalities
from morphoquant.models.placeholders import placeholder_ids, reading_config
from morphoquant.models.pretrained import auto_class
from morphoquant.quant.experts import fused_experts, still_fused

# Of these the tests run tiny random models, with every modality and padding, and look at the label of every row.
RUN = frozenset(
    {
        "Gemma3ForConditionalGeneration",
        "Gemma3nForConditionalGeneration",
        "Gemma4ForConditionalGeneration",
        "GraniteSpeechForConditionalGeneration",
        "Idefics3ForConditionalGeneration",
        "InternVLForConditionalGeneration",
        "Kimi_K25ForConditionalGeneration",
        "LlavaForConditionalGeneration",
        "LlavaOnevisionForConditionalGeneration",
        "MiniCPMV4_6ForConditionalGeneration",
        "Molmo2ForConditionalGeneration",
        "Phi4MultimodalForCausalLM",
        "Qwen2AudioForConditionalGeneration",
        "Qwen2VLForConditionalGeneration",
        "Qwen2_5OmniThinkerForConditionalGeneration",
        "Qwen2_5_VLForConditionalGeneration",
        "Qwen3OmniMoeThinkerForConditionalGeneration",
        "Qwen3VLForConditionalGeneration",
        "Qwen3VLMoeForConditionalGeneration",
        "SmolVLMForConditionalGeneration",
        "VoxtralForConditionalGeneration",
    }
)
# Of these the tests run with a stand-in for a part that they cannot have: what it is.
STOOD_IN = MappingProxyType({"Gemma3nForConditionalGeneration": "its timm network"})


@dataclass(frozen=True)
class Judged:
    """What is known of a class.

    Attributes:
        model_type: of its config.
        kind: name of the class that is read; of an omni-modal model its thinker.
        modalities: that it takes besides text, and whose rows are told.
        experts: "taken apart", "not measured", or empty where it has none.
        why: the reasons why it is not covered, empty where it is.
        unbuilt: why it could not be built and was judged by its class alone, empty where it was.
    """

    model_type: str
    kind: str
    modalities: tuple[Modality, ...] = ()
    experts: str = ""
    why: tuple[str, ...] = ()
    unbuilt: str = ""

    @property
    def covered(self) -> str:
        """ "run" in the tests, covered "by rule", or "no"."""
        return "no" if self.why else "run" if self.kind in RUN else "by rule"

    @property
    def stood_in(self) -> str:
        """What stood in for a part of the class when it was run; empty where it was whole, or was not run."""
        return STOOD_IN.get(self.kind, "") if self.covered == "run" else ""


def judge_all() -> Iterator[Judged]:
    """The multimodal classes that the installed transformers registers with a language head, by model type."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES as known

    for model_type in sorted(known):
        yield judge(model_type, known[model_type])


def judge(model_type: str, kind: str) -> Judged:
    """Judges one class.

    Args:
        model_type: such as "qwen2_5_vl".
        kind: name of its class, for where it cannot be built.
    """
    import transformers

    config = reading_config(transformers.CONFIG_MAPPING[model_type]())
    try:
        with torch.device("meta"):
            model = auto_class(config).from_config(config)
    except Exception as error:  # whatever a class of transformers raises is told as it is
        cls = getattr(transformers, kind)
        modalities, reached = _taken(cls, config), _reached_by_name(cls, transformers.MODEL_MAPPING.get(type(config), cls))
        why = tuple(_untold(config, modalities, reached))
        return Judged(model_type, kind, modalities, why=why, unbuilt=_said(error))
    modalities, reached = _taken(type(model), config), Towers(model, family_of(config)).reached()
    experts = "not measured" if still_fused(model) else "taken apart" if fused_experts(model) else ""
    why = (*_apart(config, model), *_untold(config, modalities, reached))
    return Judged(model_type, type(model).__name__, modalities, experts, why)


def _taken(cls: type[nn.Module], config: Any) -> tuple[Modality, ...]:
    """What a class takes besides text: as it declares or, where it says nothing, as its placeholders do."""
    said = declared_modalities(cls) - {"text"} or {str(one) for one in placeholder_ids(config).values()}
    return tuple(one for one in CONTENT if str(one) in said)


def _reached_by_name(*kinds: type[nn.Module]) -> frozenset[Modality]:
    return frozenset(modality for method, modality in FEATURES.items() if any(hasattr(kind, method) for kind in kinds))


def _apart(config: Any, model: nn.Module) -> Iterator[str]:
    """Why rows of the language model are not those of the sequence."""
    if getattr(config, "is_encoder_decoder", False):
        yield "encoder and decoder read different sequences"
    if any("crossatt" in type(one).__name__.lower() for one in _language(model)):
        yield "cross-attention: its keys and values are made of media, which are no tokens of the sequence"


def _untold(config: Any, modalities: tuple[Modality, ...], reached: frozenset[Modality]) -> Iterator[str]:
    """Why rows of a modality are not told from others."""
    if not modalities:
        yield "it takes nothing but text, as far as it says"
    shared, placed = family_of(config).shared_placeholder, set(placeholder_ids(config).values())
    for one in modalities:
        if one is Modality.VIDEO and shared:
            continue
        if one not in placed and not _set_by_checkpoint(config, one):
            yield f"no placeholder id for {one}"
        if one not in reached:
            yield f"nothing tells that the tower of {one} runs"


def _language(model: nn.Module) -> Iterator[nn.Module]:
    """The modules in the language model that hold linears."""
    parts = components(model)
    within = {
        ".".join(name.split(".")[:depth])
        for name, part in parts.items()
        if part is Component.LANGUAGE
        for depth in range(name.count(".") + 1)
    }
    return (module for name, module in model.named_modules() if name in within)


def _set_by_checkpoint(config: Any, modality: Modality) -> bool:
    """Whether the config has a place for the placeholder id that only checkpoints fill."""
    return any(getattr(config, f"{modality}_{ending}", 0) is None for ending in ("token_id", "token_index"))


def _said(error: Exception) -> str:
    if isinstance(error, ImportError):
        return str(error).strip().splitlines()[0].split(" but ")[0]
    return "its default config builds no model"
