"""Going from page to page: down from a point of a figure, and in by a link."""

import re
from collections.abc import Callable

import streamlit as st

from morphoquant.ui import session
from morphoquant.ui.address import Address

_NEXT, _ENTERED = "morphoquant.next_page", "morphoquant.entered"


def to_layer(page: str | None = None) -> Callable[[str | None, int | None], None]:
    """A click handler that chooses the point's layer and channel, and opens `page` if one is given."""

    def handle(layer: str | None, channel: int | None) -> None:
        if layer is not None:
            session.change(layer=layer, channel=channel)
        elif channel is not None:
            session.change(channel=channel)
        if page is not None:
            # A page cannot be switched inside a callback: the frame of the page does it first thing.
            st.session_state[_NEXT] = (page, {})

    return handle


# The page that shows a kind of run first, and the field of the address that names such a run.
_HOME = {
    "capture": ("capture", "pages/overview.py"),
    "evaluate": ("evaluation", "pages/accuracy.py"),
    "sensitivity": ("sensitivity", "pages/sensitivity.py"),
    "inspect": ("inspection", "pages/inside.py"),
}


def open_run(run_id: str) -> None:
    """Leaves for the page that shows a run first, with no filter left over from another one."""
    field, page = _HOME.get(run_id.partition("-")[0], ("run", "pages/layer_error.py"))
    session.go(Address(**{field: run_id}))
    st.switch_page(page)


def entered() -> None:
    """Notes that this session came through app.py."""
    st.session_state[_ENTERED] = True


def follow() -> None:
    """Opens the page that a click asked for, and leads a link to a page through app.py.

    Streamlit runs a file in pages/ without app.py, so without our menu and layout, as long as no session of the server has
    opened app.py: the first link after a start must not see that.
    """
    name = re.search(r"/([a-z_]+)/?$", st.context.url or "")
    if name and not st.session_state.get(_ENTERED):
        query = {key: st.query_params.get_all(key) for key in st.query_params}
        st.session_state[_NEXT] = (f"pages/{name[1]}.py", query)
        st.switch_page("app.py")
    page, query = st.session_state.pop(_NEXT, (None, {}))
    if page is not None:
        st.switch_page(page, query_params=query)


def way(page: str, words: str, **query) -> None:
    """A link to a page of ours, the arrow that tells it from plain text before it; `query` as of st.page_link."""
    st.page_link(page, label=words, icon=":material/arrow_forward:", **query)
