"""The figures at the head of a page: three or four numbers with their units, each with where it stands."""

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from morphoquant.ui.numbers import NO_BREAK, joined


@dataclass(frozen=True)
class Figure:
    """One number.

    Attributes:
        label: what is measured, with its unit.
        value: the number as text.
        where: the layer, modality or channel it stands at, one short line.
        meaning: shown on demand.
        delta: the change from before, with its sign and unit, if there is a before.
    """

    label: str
    value: str
    where: str = ""
    meaning: str | None = None
    delta: str | None = None


def headline(figures: Sequence[Figure]) -> None:
    """Draws the figures side by side; nothing where there are none."""
    if not figures:
        return
    for column, figure in zip(st.columns(len(figures)), figures, strict=True):
        with column, st.container(border=True, height="stretch", gap=None):
            st.metric(figure.label, figure.value, figure.delta, help=figure.meaning)
            st.markdown(f":small[{joined(figure.where) or NO_BREAK}]")
