"""What a row of an activation is: its modality, its position class, and the slot that joins the two.

A row is one token of one linear layer's input. Its slot is a small integer, so that hooks label rows with
one int8 vector. Padding is no modality: it has the label `PADDING` and is counted nowhere.
"""

from enum import StrEnum


class Modality(StrEnum):
    """Where a row's content comes from. `SPECIAL` are chat-template and control tokens; `UNKNOWN` is never guessed."""

    TEXT = "text"
    IMAGE = "image"
    AUDIO = "audio"
    VIDEO = "video"
    SPECIAL = "special"
    UNKNOWN = "unknown"


class Position(StrEnum):
    """`FIRST` is row 0 of a sequence, where attention sinks live; `REST` is every other row."""

    FIRST = "first"
    REST = "rest"


MODALITIES: tuple[Modality, ...] = tuple(Modality)
POSITIONS: tuple[Position, ...] = tuple(Position)
CONTENT: tuple[Modality, ...] = (Modality.TEXT, Modality.IMAGE, Modality.AUDIO, Modality.VIDEO)
PADDING = -1
SLOT_COUNT = len(MODALITIES) * len(POSITIONS)


def slot(modality: Modality, position: Position) -> int:
    """The integer label of a (modality, position class) pair, in 0..SLOT_COUNT-1."""
    return MODALITIES.index(modality) * len(POSITIONS) + POSITIONS.index(position)


def unslot(label: int) -> tuple[Modality, Position]:
    """The inverse of `slot`."""
    modality, position = divmod(label, len(POSITIONS))
    return MODALITIES[modality], POSITIONS[position]
