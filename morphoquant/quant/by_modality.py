"""Rows of an input by their modality, for fits that treat modalities differently."""

from collections.abc import Collection, Iterator

from torch import Tensor

from morphoquant.core.modality import MODALITIES, POSITIONS, Modality


def rows_of(slots: Tensor, modality: Modality) -> Tensor:
    """True for the rows of `modality` [rows]; `slots` int8 [rows], padding is of none."""
    return slots.long() // len(POSITIONS) == MODALITIES.index(modality)


def split_rows(slots: Tensor, modalities: Collection[Modality]) -> Iterator[tuple[Modality | None, Tensor]]:
    """Places of the rows of each modality that has any, then, under None, of all other rows, int64."""
    rest = None
    for modality in modalities:
        rows = rows_of(slots, modality)
        rest = ~rows if rest is None else rest & ~rows
        if bool(rows.any()):
            yield modality, rows.nonzero()[:, 0]
    rest = slots == slots if rest is None else rest
    if bool(rest.any()):
        yield None, rest.nonzero()[:, 0]
