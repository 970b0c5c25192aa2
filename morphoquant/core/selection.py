"""Selection: what of a run a view looks at. One frozen value, so that it is a link, a cache key and a caption."""

from dataclasses import dataclass, fields, replace

from morphoquant.core.modality import Modality, Position
from morphoquant.core.what_if import WhatIf


@dataclass(frozen=True)
class Selection:
    """Filters shared by all views; a view uses those it names.

    Attributes:
        layer: full name of a linear; its input is that of its group.
        component: part of the model ("language", "vision", "audio", "connector", "head"), absent for all.
        role: "q_proj", "down_proj", ... absent for all.
        modalities: those to show, in this order; empty for all that are present.
        positions: position classes to include.
        channel: input channel, absent for all.
        measure: name of a measure for views that offer several.
        subjects: subjects of questions to show (`core.evaluation.SUBJECTS`), empty for all.
        what_if: settings to predict with.
        sample: sample of an inspect run, absent for the view's own choice.
        block: block of the language model, likewise.
        head: attention head, absent for the mean over all.
    """

    layer: str | None = None
    component: str | None = None
    role: str | None = None
    modalities: tuple[Modality, ...] = ()
    positions: tuple[Position, ...] = (Position.REST,)
    channel: int | None = None
    measure: str | None = None
    subjects: tuple[str, ...] = ()
    what_if: WhatIf = WhatIf()
    sample: int | None = None
    block: int | None = None
    head: int | None = None


def narrow(selection: Selection, takes: frozenset[str]) -> Selection:
    """`selection` with every field that is not in `takes` at its default."""
    blank = Selection()
    return replace(
        selection, **{field.name: getattr(blank, field.name) for field in fields(Selection) if field.name not in takes}
    )
