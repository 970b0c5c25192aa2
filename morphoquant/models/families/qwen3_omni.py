"""Qwen3-Omni."""

from morphoquant.models.families.base import FAMILIES, Family

QWEN3_OMNI = FAMILIES.add(
    "qwen3_omni",
    Family(
        model_types=("qwen3_omni_moe_thinker",),
        why="Clips are cut into chunks before they are convolved, so that the first linear sees the padding of each chunk.",
        audio_chunk="audio_config.n_window",
    ),
)
