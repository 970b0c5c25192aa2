"""Going down from a point of a figure: to its layer, its channel, or another page."""

from collections.abc import Callable

import streamlit as st

from morphoquant.ui import session

_NEXT = "morphoquant.next_page"


def to_layer(page: str | None = None) -> Callable[[str | None, int | None], None]:
    """A click handler that chooses the point's layer and channel, and opens `page` if one is given."""

    def handle(layer: str | None, channel: int | None) -> None:
        if layer is not None:
            session.change(layer=layer, channel=channel)
        elif channel is not None:
            session.change(channel=channel)
        if page is not None:
            # A page cannot be switched inside a callback: the frame of the page does it first thing.
            st.session_state[_NEXT] = page

    return handle


def follow() -> None:
    """Opens the page that a click asked for."""
    page = st.session_state.pop(_NEXT, None)
    if page is not None:
        st.switch_page(page)
