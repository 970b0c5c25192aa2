"""Which multimodal classes of the installed transformers the rules of rows reach, and why not the others.

A class is judged by its default config and by its modules, built without weights. What it runs on is not known of it: that its
rows are labelled as it is said here is shown by running tiny models of the classes that the tests name.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from morphoquant.core.layers import Component
from morphoquant.core.modality import CONTENT, Modality
from morphoquant.hooks.components import components
from morphoquant.hooks.towers import Towers
from morphoquant.models.families.base import family_of
from morphoquant.models.modalities import own_modalities
from morphoquant.models.placeholders import placeholder_ids, reading_config
from morphoquant.models.pretrained import auto_class
from morphoquant.quant.experts import fused_experts, still_fused

# Of these the tests run tiny random models, with every modality and padding, and look at the label of every row.
RUN = frozenset(
    {
        "Gemma3ForConditionalGeneration",
        "Gemma4ForConditionalGeneration",
        "GraniteSpeechForConditionalGeneration",
        "Idefics3ForConditionalGeneration",
        "InternVLForConditionalGeneration",
        "Kimi_K25ForConditionalGeneration",
        "LlavaForConditionalGeneration",
        "LlavaOnevisionForConditionalGeneration",
        "MiniCPMV4_6ForConditionalGeneration",
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


@dataclass(frozen=True)
class Judged:
    """What is known of a class.

    Attributes:
        model_type: of its config.
        kind: name of the class that is read; of an omni-modal model its thinker.
        modalities: that it takes besides text, and whose rows are told.
        experts: "taken apart", "not measured", or empty where it has none.
        why: the reasons why it is not covered, empty where it is.
    """

    model_type: str
    kind: str
    modalities: tuple[Modality, ...] = ()
    experts: str = ""
    why: tuple[str, ...] = ()

    def covered(self) -> str:
        """ "run" in the tests, covered "by rule", or "no"."""
        return "no" if self.why else "run" if self.kind in RUN else "by rule"


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
    try:
        config, model = _built(model_type)
    except Exception as error:  # whatever a class of transformers raises is the reason that is told
        return Judged(model_type, kind, why=(f"cannot be built from its default config ({_said(error)})",))
    takes = own_modalities(model) - {"text"} or {str(one) for one in placeholder_ids(config).values()}
    modalities = tuple(one for one in CONTENT if str(one) in takes)
    experts = "not measured" if still_fused(model) else "taken apart" if fused_experts(model) else ""
    return Judged(model_type, type(model).__name__, modalities, experts, tuple(_reasons(config, model, modalities)))


def _built(model_type: str) -> tuple[Any, nn.Module]:
    from transformers import CONFIG_MAPPING

    config = reading_config(CONFIG_MAPPING[model_type]())
    with torch.device("meta"):
        return config, auto_class(config).from_config(config)


def _reasons(config: Any, model: nn.Module, modalities: tuple[Modality, ...]) -> Iterator[str]:
    if not modalities:
        yield "it declares no modality beside text"
    if getattr(config, "is_encoder_decoder", False):
        yield "encoder and decoder read different sequences"
    if any("crossatt" in type(one).__name__.lower() for one in _language(model)):
        yield "cross-attention: its keys and values are made of media, which are no tokens of the sequence"
    family, placed = family_of(config), set(placeholder_ids(config).values())
    reached = Towers(model, family).reached()
    for one in modalities:
        shared = one is Modality.VIDEO and family.shared_placeholder
        if one not in placed and not shared and not _set_by_checkpoint(config, one):
            yield f"no placeholder id for {one}"
        if one not in reached and not shared:
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
    return any(hasattr(config, f"{modality}_{ending}") for ending in ("token_id", "token_index"))


def _said(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].strip().rstrip(".")
