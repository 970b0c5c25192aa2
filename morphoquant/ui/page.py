"""The frame of every page: its question, the runs it is asked of, the filters, and the link that leads back to it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import streamlit as st

from morphoquant.core.errors import CompareError, MorphoQuantError
from morphoquant.core.selection import Selection
from morphoquant.store.run_store import Run, RunEntry, RunStore
from morphoquant.ui import frames, session, states
from morphoquant.ui.address import Address
from morphoquant.ui.filters import filters
from morphoquant.ui.navigate import follow
from morphoquant.ui.notes import plain, problem
from morphoquant.ui.picker import Choice, is_whole, picker, resolve
from morphoquant.views.base import VIEWS, View


@dataclass(frozen=True)
class Scene:
    """What a page looks at, all of it readable.

    Attributes:
        store: the run folders.
        address: the link's content.
        capture: the finished capture, absent on a quantize page whose capture is not in the cache.
        runs: the quantize run, or those to compare; empty on a capture page, and where there is none to set beside a capture.
        before: the run that the quantize run is set against, if any.
    """

    store: RunStore
    address: Address
    capture: Run | None
    runs: tuple[Run, ...] = ()
    before: Run | None = None

    @property
    def subject(self) -> Run:
        """The run that gives the page its layers and tokens."""
        return self.runs[0] if self.runs else self.capture

    def inputs(self, view: View) -> list[Run]:
        """The runs that `view` is asked of."""
        if view.runs == "capture" and not (view.after and self.runs):
            return [self.capture] if self.capture else [self.subject]
        if view.runs in ("capture", "quantize"):
            return [self.runs[0]]
        return list(self.runs) if view.most is None else [run for run in (self.before, self.runs[0]) if run]

    def at_layer(self, layer: str | None) -> "Scene":
        """The scene with `layer` where the user chose none."""
        return self if self.address.layer or layer is None else replace(self, address=replace(self.address, layer=layer))

    def selection(self, view: str) -> Selection:
        """The filters of one view."""
        return self.address.selection(view)


@contextmanager
def sentences() -> Iterator[None]:
    """Shows a user's error as its sentence, and ends the page."""
    try:
        yield
    except CompareError as error:
        st.warning(plain(error))
        st.stop()
    except MorphoQuantError as error:
        problem(error)
        st.button("Clear run and filters", key="clear_address", on_click=session.go, args=(Address(),))
        st.stop()


def title(question: str) -> None:
    """The page's question, once it is sure that this is the page to show."""
    follow()
    st.title(question, anchor=False)


def open_page(question: str, views: Sequence[str]) -> Scene:
    """Draws title, pickers, filters and link; stops the page with a helpful state where there is nothing to look at.

    Args:
        question: the page's one question.
        views: names of the views it shows; they decide which runs and filters are offered.
    """
    title(question)
    with sentences():
        asked = [VIEWS[name] for name in views]
        kinds = {"pair" if view.runs == "many" and view.most else view.runs for view in asked}
        needs = next((kind for kind in ("many", "pair", "quantize") if kind in kinds), "capture")
        needs = "after" if needs == "capture" and any(view.after for view in asked) else needs
        store, address = session.store(), session.address()
        choice = resolve(store.entries(), address)
        picker(choice, needs)
        scene = _scene(store, address, choice, needs)
        takes, rings = (frozenset().union(*fields) for fields in zip(*((view.takes, view.rings) for view in asked), strict=True))
        layers, tokens = (frames.run_table(store, scene.subject, table) for table in ("layers", "tokens"))
        filters(address, layers, tokens, takes, rings)
    link(address)
    session.go(address)
    return scene


def _scene(store: RunStore, address: Address, choice: Choice, needs: str) -> Scene:
    if needs in ("capture", "after") or not (choice.captures or choice.fitted):
        capture = readable(store, choice.capture, "capture")
        runs = (store.open(choice.run.run_id),) if needs == "after" and is_whole(choice.run) else ()
        return Scene(store, address, capture, runs)
    entries: Sequence[RunEntry | None] = choice.runs if needs == "many" and choice.runs else (choice.run,)
    runs = tuple(readable(store, entry, "quantize") for entry in entries)
    before = store.open(choice.before.run_id) if needs == "pair" and is_whole(choice.before) else None
    return Scene(store, address, store.open(choice.capture.run_id) if is_whole(choice.capture) else None, runs, before)


def readable(store: RunStore, entry: RunEntry | None, kind: str) -> Run:
    """The finished run; where it is none, the page says what is there instead of a run of `kind`, and ends."""
    if entry is None:
        states.empty(session.cache_folder(), kind)
    elif entry.header is None:
        states.damaged(entry)
    elif entry.header.status == "running":
        states.running(entry.header, session.cache_folder())
    elif entry.header.status == "failed":
        states.failed(entry.header)
    else:
        return store.open(entry.run_id)
    st.stop()


def link(address: Address) -> None:
    """The way back to this very view."""
    with st.sidebar, st.popover("Link to this view", width="stretch"):
        st.caption("Opens this page with this run and these filters.")
        st.code(f"{st.context.url or ''}{address.link()}", language=None, wrap_lines=True)
