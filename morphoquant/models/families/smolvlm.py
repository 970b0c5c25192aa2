"""SmolVLM and its parent Idefics3."""

from morphoquant.models.families.base import FAMILIES, Family

SMOLVLM = FAMILIES.add(
    "smolvlm",
    Family(
        model_types=("smolvlm", "idefics3"),
        why="Video frames are images to the processor: they stand behind the image placeholder and come as pixel_values.",
        shared_placeholder=True,
        apart="its processor keeps the pixels of the videos alone",
    ),
)
