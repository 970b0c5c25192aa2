"""InternVL."""

from morphoquant.models.families.base import FAMILIES, Family

INTERNVL = FAMILIES.add(
    "internvl",
    Family(
        model_types=("internvl",),
        why="Video frames stand behind the image placeholder; there is no video id.",
        shared_placeholder=True,
    ),
)
