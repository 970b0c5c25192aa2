"""The session's address, kept across pages and mirrored in the query parameters.

Who wins when both speak: query parameters that this session did not write itself (a link that was opened), else the session.
"""

import os
from dataclasses import replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import streamlit as st

from morphoquant.core.errors import MorphoQuantError
from morphoquant.store.place import local_folder
from morphoquant.store.run_store import Run, RunEntry, RunStore
from morphoquant.ui.address import Address, owns

_ADDRESS, _MIRRORED = "morphoquant.address", "morphoquant.mirrored"


def runs_at() -> str:
    """MORPHOQUANT_CACHE, a folder or the URL of one on an object store; or `cache` in the working folder."""
    return os.environ.get("MORPHOQUANT_CACHE") or "cache"


def cache_folder() -> Path:
    """The same if it is a folder of this machine; where it is a URL, the folder for jobs."""
    return local_folder(runs_at())


class Glance(RunStore):
    """The run folders as they are when a page begins: their headers are read once for all of its parts."""

    _seen: list[RunEntry] | None = None

    def entries(self) -> list[RunEntry]:
        """As `RunStore.entries`, at the first time that it is asked."""
        if self._seen is None:
            self._seen = super().entries()
        return list(self._seen)

    def open(self, run_id: str) -> Run:
        """As `RunStore.open`; a finished run with the header that was read."""
        header = next((one.header for one in self.entries() if one.run_id == run_id), None)
        folder = self._find(run_id) if header and header.status == "finished" else None
        return Run(folder, header) if folder else super().open(run_id)

    @cached_property
    def state(self) -> str:
        """Another one with every finished run that comes, goes or is written anew."""
        finished = [one.header for one in self.entries() if one.header and one.header.status == "finished"]
        told = [(one.run_id, one.finished, sorted(one.footers.items())) for one in finished]
        return sha256(repr(told).encode()).hexdigest()


def store() -> Glance:
    """The run folders that the dashboard reads; a new look at them each time, so pages ask once."""
    return Glance(runs_at())


def address() -> Address:
    """The address of this run of the page.

    Raises:
        MorphoQuantError: a link with an identifier that cannot be one; the session's address then stays.
    """
    asked = {key: st.query_params.get_all(key) for key in st.query_params if owns(key)}
    if asked and asked != st.session_state.get(_MIRRORED):
        try:
            st.session_state[_ADDRESS] = Address.from_query(asked)
        except MorphoQuantError:
            # The next rerun must not meet the same bad link again.
            st.session_state[_MIRRORED] = asked
            raise
    return st.session_state.setdefault(_ADDRESS, Address())


def peek() -> Address:
    """What `address` is going to return; where that raises for a bad link, the session's own."""
    asked = {key: st.query_params.get_all(key) for key in st.query_params if owns(key)}
    own = st.session_state.get(_ADDRESS, Address())
    if not asked or asked == st.session_state.get(_MIRRORED):
        return own
    try:
        return Address.from_query(asked)
    except MorphoQuantError:
        return own


def go(new: Address) -> None:
    """Makes `new` the session's address and mirrors it in the query parameters."""
    st.session_state[_ADDRESS] = new
    query = new.to_query()
    st.session_state[_MIRRORED] = query
    others = {key: st.query_params.get_all(key) for key in st.query_params if not owns(key)}
    if {key: st.query_params.get_all(key) for key in st.query_params} != others | query:
        st.query_params.from_dict(others | query)


def change(**fields: Any) -> None:
    """Changes fields of the session's address; for widget callbacks, which run before the page does."""
    go(replace(st.session_state.get(_ADDRESS, Address()), **fields))


def widget(name: str, value: Any) -> str:
    """Gives a widget its value from the address and returns its key: the address is the one place where state lives."""
    key = f"morphoquant.widget.{name}"
    st.session_state[key] = value
    return key


def widget_value(name: str) -> Any:
    """What the user just set; for callbacks."""
    return st.session_state[f"morphoquant.widget.{name}"]


def choose_measure(view: str, measure: str | None, default: str) -> None:
    """Sets the measure of one view; its default is left out of links."""
    current = st.session_state.get(_ADDRESS, Address())
    go(current.with_measure(view, None if measure in (None, default) else measure))
