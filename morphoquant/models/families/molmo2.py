"""Molmo2."""

from morphoquant.models.families.base import FAMILIES, Family

MOLMO2 = FAMILIES.add(
    "molmo2",
    Family(
        model_types=("molmo2",),
        why="Images and video frames have one placeholder id.",
        shared_placeholder=True,
        apart="it refuses the pixels of both together",
    ),
)
