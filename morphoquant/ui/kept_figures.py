"""The bundle of a session: the figures that were put into it, in order. It holds questions, not pictures."""

from dataclasses import replace

import streamlit as st

from morphoquant.takeaway.asked import Asked

_KEY = "morphoquant.bundle"


def kept() -> tuple[Asked, ...]:
    """The figures in the bundle."""
    return st.session_state.get(_KEY, ())


def keep(asked: Asked) -> None:
    """Puts a figure at the end; one that is there already, in any width, takes the new width and keeps its place."""
    here = [replace(one, width=asked.width) if _same(one, asked) else one for one in kept()]
    st.session_state[_KEY] = tuple(here if any(_same(one, asked) for one in here) else [*here, asked])


def change(place: int, asked: Asked | None) -> None:
    """Sets the figure at `place`, or takes it out."""
    here = list(kept())
    here[place : place + 1] = [] if asked is None else [asked]
    st.session_state[_KEY] = tuple(here)


def lift(place: int) -> None:
    """Moves the figure at `place` one place up."""
    here = list(kept())
    here[place - 1 : place + 1] = here[place - 1 : place + 1][::-1]
    st.session_state[_KEY] = tuple(here)


def _same(one: Asked, other: Asked) -> bool:
    return replace(one, width=other.width) == other
