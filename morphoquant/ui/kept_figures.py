"""The bundle of a session: the figures that were put into it, in order. It holds questions, not pictures."""

from dataclasses import replace

import streamlit as st

from morphoquant.takeaway.asked import Asked
from morphoquant.ui.navigate import way

_KEY = "morphoquant.bundle"


def kept() -> tuple[Asked, ...]:
    """The figures in the bundle."""
    return st.session_state.get(_KEY, ())


def keep(asked: Asked) -> None:
    """Puts a figure at the end; one that is there already, in any width, takes the new width and keeps its place."""
    here = [replace(one, width=asked.width) if _same(one, asked) else one for one in kept()]
    st.session_state[_KEY] = tuple(here if any(_same(one, asked) for one in here) else [*here, asked])


def to_bundle(asked: Asked, key: str) -> None:
    """The button that puts a figure in, and the way to the bundle once something is in it."""
    st.button("Put into the bundle", key=f"keep_{key}", on_click=keep, args=(asked,))
    if kept():
        way("pages/take_away.py", f"{len(kept())} in the bundle: make it")


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
