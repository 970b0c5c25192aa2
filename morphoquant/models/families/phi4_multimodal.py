"""Phi-4-multimodal."""

from types import MappingProxyType

from morphoquant.core.modality import Modality
from morphoquant.models.families.base import FAMILIES, Family

PHI4_MULTIMODAL = FAMILIES.add(
    "phi4_multimodal",
    Family(
        model_types=("phi4_multimodal",),
        why="Placeholder ids stand in the sub-configs, and the embedding modules are called directly.",
        ids=MappingProxyType({Modality.IMAGE: "vision_config.image_token_id", Modality.AUDIO: "audio_config.audio_token_id"}),
        towers=MappingProxyType({"image_embed": Modality.IMAGE, "audio_embed": Modality.AUDIO}),
    ),
)
