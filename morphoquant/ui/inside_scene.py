"""The frame of the page on inspect runs: which runs it looks at, their menus and filters, and the link back."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from morphoquant.core.errors import MorphoQuantError, UnknownNameError
from morphoquant.core.selection import Selection
from morphoquant.queries.attention import attention_choices
from morphoquant.queries.compare import comparable
from morphoquant.queries.hidden import kept_blocks
from morphoquant.store.run_store import Run, RunEntry, RunStore
from morphoquant.ui import frames, session
from morphoquant.ui.address import Address
from morphoquant.ui.filters import filters
from morphoquant.ui.labels import run_labels
from morphoquant.ui.page import link, readable, sentences, title
from morphoquant.ui.picker import is_whole, menu
from morphoquant.views.base import VIEWS, View

MOST_SHOWN = 4
_DEFAULT = "the figure's choice"


@dataclass(frozen=True)
class InsideScene:
    """What the page looks at, all of it readable.

    Attributes:
        store: the run folders.
        address: the link's content.
        run: the chosen run.
        runs: those shown side by side, `run` first.
    """

    store: RunStore
    address: Address
    run: Run
    runs: tuple[Run, ...]

    def inputs(self, view: View) -> list[Run]:
        """The runs that `view` is asked of."""
        return [self.run] if view.most == 1 else list(self.runs)

    def selection(self, view: str) -> Selection:
        """The filters of one view."""
        return self.address.selection(view)


def open_inside(question: str, views: Sequence[str]) -> InsideScene:
    """Draws title, menus, filters and link; stops the page with a helpful state where there is nothing to look at.

    Args:
        question: the page's one question.
        views: names of the views it shows; they decide which filters are offered.
    """
    title(question)
    with sentences():
        store, address = session.store(), session.address()
        offered = [entry for entry in store.entries() if _is_inspection(entry)]
        known = {entry.run_id: entry for entry in offered}
        for run_id in (address.inspection, *address.inspections):
            if run_id is not None and run_id not in known:
                raise UnknownNameError("inspect run", run_id, known)
        chosen = known.get(address.inspection) or min(offered, key=lambda entry: not is_whole(entry), default=None)
        labels = run_labels(offered)
        menu("Look inside with", "inspection", labels, chosen, _pick)
        run = readable(store, chosen, "inspect")
        beside = [store.open(entry.run_id) for entry in offered if is_whole(entry) and entry.run_id != run.run_id]
        beside = [other for other in beside if _fits(run, other)]
        wanted = [other for other in beside if other.run_id in address.inspections] if address.inspections else beside
        shown = (run, *wanted[: MOST_SHOWN - 1])
        scene = InsideScene(store, address, run, shown)
        if beside:
            _beside(beside, shown, labels)
        takes = frozenset().union(*(VIEWS[name].takes for name in views))
        places = frames.run_table(store, run, "propagation")[["component"]].drop_duplicates()
        filters(address, places, frames.run_table(store, run, "tokens"), takes)
        _places(scene)
    link(address)
    session.go(address)
    return scene


def _beside(beside: Sequence[Run], shown: Sequence[Run], labels: dict[str, str]) -> None:
    with st.sidebar:
        st.multiselect(
            "Shown beside it",
            [other.run_id for other in beside],
            format_func=labels.__getitem__,
            key=session.widget("inspections", [other.run_id for other in shown[1:]]),
            max_selections=MOST_SHOWN - 1,
            help="Runs of the same model, samples, capture and scope: others must not stand beside it.",
            on_change=lambda: session.change(inspections=tuple(session.widget_value("inspections")) or (shown[0].run_id,)),
        )


def _places(scene: InsideScene) -> None:
    """Menus of sample, block and head, of those that the run keeps."""
    address = scene.address
    try:
        maps = attention_choices(scene.run)
        blocks = sorted(set(maps["block"]))
    except MorphoQuantError:
        maps, blocks = pd.DataFrame(columns=["sample", "block", "head", "modalities"]), kept_blocks(scene.run)
    with st.sidebar:
        _numbers("block", "Block of the language model", {block: str(block) for block in blocks}, address.block)
        samples = maps.drop_duplicates("sample")
        named = {row.sample: f"{row.sample}: {row.modalities}" for row in samples.itertuples()}
        _numbers("sample", "Sample of the attention map", named, address.sample)
        own = maps[maps["head"].notna()]
        if address.block is not None and address.sample is not None:
            own = own[(own["block"] == address.block) & (own["sample"] == address.sample)]
            heads = {int(head): f"head {head}" for head in own["head"]}
            _numbers("head", "Head of the attention map", heads, address.head, nothing="mean of all")


def _numbers(name: str, title: str, options: dict[int, str], chosen: int | None, nothing: str = _DEFAULT) -> None:
    if not options:
        return
    st.selectbox(
        title,
        list(options),
        index=None,
        format_func=lambda number: options.get(number, str(number)),
        key=session.widget(name, chosen if chosen in options else None),
        placeholder=nothing,
        on_change=lambda: session.change(**{name: session.widget_value(name), **_other(name)}),
    )


def _other(name: str) -> dict[str, None]:
    # The heads that are kept are those that move most in this block of this sample: another has others.
    return {} if name == "head" else {"head": None}


def _pick() -> None:
    # What stood beside another run may not stand beside this one; nor are its samples and blocks those of this one.
    session.change(inspection=session.widget_value("inspection"), inspections=(), sample=None, block=None, head=None)


def _fits(run: Run, other: Run) -> bool:
    try:
        return bool(comparable([run, other]))
    except MorphoQuantError:
        return False


def _is_inspection(entry: RunEntry) -> bool:
    return entry.header.plan.kind == "inspect" if entry.header else entry.run_id.startswith("inspect-")
