"""The frame of the page that sets runs side by side: which figure, which runs in which order, the filters, and the link back."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import streamlit as st

from morphoquant.core.errors import UnknownNameError
from morphoquant.core.selection import Selection
from morphoquant.queries.beside import LEAST, MOST, captures_beside, quantized_beside
from morphoquant.store.run_store import Run, RunEntry, RunStore
from morphoquant.ui import frames, session
from morphoquant.ui.address import Address
from morphoquant.ui.filters import filters
from morphoquant.ui.headline import Figure
from morphoquant.ui.labels import run_labels
from morphoquant.ui.notes import plain
from morphoquant.ui.page import link, readable, sentences, title
from morphoquant.ui.picker import Choice, alike, baseline, is_whole, picker, resolve
from morphoquant.views.base import VIEWS, View

# In the order of the menu: of quantised runs, then of captures.
FIGURES = ("layer_error", "error_split", "grid_placement", "channel_ranges", "activation_histogram", "outlier_mask")


@dataclass(frozen=True)
class SideScene:
    """What the page looks at, all of it readable.

    Attributes:
        store: the run folders.
        address: the link's content.
        view: the view of one run that is set side by side.
        runs: the runs, the one that the others are set against first.
    """

    store: RunStore
    address: Address
    view: View
    runs: tuple[Run, ...]

    @property
    def capture(self) -> Run | None:
        """The capture behind the first run, absent if it is not in the cache."""
        first = self.runs[0]
        here = {entry.run_id for entry in self.store.entries() if is_whole(entry)}
        return (
            first
            if first.plan.kind == "capture"
            else self.store.open(str(first.plan.capture))
            if first.plan.capture in here
            else None
        )

    def inputs(self, view: View) -> list[Run]:
        """The runs that `view` is asked of."""
        return list(self.runs)

    def selection(self, view: str) -> Selection:
        """The filters of one view."""
        return self.address.selection(view)

    def at_layer(self, layer: str | None) -> "SideScene":
        """The scene with `layer` where the user chose none."""
        return self if self.address.layer or layer is None else replace(self, address=replace(self.address, layer=layer))


def open_sides(question: str) -> SideScene:
    """Draws title, pickers, filters and link; stops the page with a helpful state where there is nothing to look at."""
    title(question)
    with sentences():
        store, address = session.store(), session.address()
        view = _figure(address)
        choice = resolve(store.entries(), address)
        if not (choice.captures or choice.fitted):
            readable(store, None, "capture")
        entries = _captures(choice, address) if view.runs == "capture" else _quantised(choice, address)
        kind = "capture" if view.runs == "capture" else "quantize"
        runs = tuple(readable(store, entry, kind) for entry in entries or (None,))
        scene = SideScene(store, address, view, runs)
        layers, tokens = (frames.run_table(store, runs[0], table) for table in ("layers", "tokens"))
        filters(address, layers, tokens, view.takes, view.rings)
    link(address)
    session.go(address)
    return scene


def side_figures(scene: SideScene) -> list[Figure]:
    """Which run the others are set against, which those are, and what tells them apart.

    Raises:
        CompareError: they must not stand side by side; says why.
    """
    of_captures = scene.view.runs == "capture"
    named = captures_beside(scene.store, list(scene.runs)) if of_captures else quantized_beside(list(scene.runs))
    first, *others = map(plain, named)
    plans = [run.plan for run in named.values()]
    may = ("data", "seed") if of_captures else ("method", "fields", "spec")
    differ = [name for name in may if any(getattr(plan, name) != getattr(plans[0], name) for plan in plans)]
    same = "model, options and code" if of_captures else "model, data, seed, capture and options"
    return [
        Figure("Set against", first, "the run that was chosen first"),
        Figure("Beside it", others[0], "the run that was chosen second")
        if len(others) == 1
        else Figure("Beside it", f"{len(others)} runs", f"in this order: {', '.join(others)}"),
        Figure("They differ in", ", ".join(differ), f"{same} are the same"),
    ]


def _figure(address: Address) -> View:
    """The view that the address names, and the menu that changes it.

    Raises:
        UnknownNameError: it names none that can be set side by side.
    """
    name = address.figure or FIGURES[0]
    if name not in FIGURES:
        raise UnknownNameError("figure side by side", name, FIGURES)
    st.segmented_control(
        "Figure",
        FIGURES,
        format_func=lambda one: VIEWS[one].title,
        key=session.widget("figure", name),
        label_visibility="collapsed",
        required=True,
        on_change=lambda: session.change(figure=session.widget_value("figure")),
    )
    return VIEWS[name]


def _quantised(choice: Choice, address: Address) -> Sequence[RunEntry]:
    """The chosen quantize runs in the order of the choice; else plain rounding and the newest that is like it."""
    if address.runs:
        runs = sorted(choice.runs, key=lambda entry: address.runs.index(entry.run_id) if entry.run_id in address.runs else MOST)
    else:
        kin = next((found for one in (choice.run, *choice.fitted) if len(found := alike(one, choice.fitted)) > 1), choice.runs)
        first = baseline(kin[0], choice.fitted) if kin else None
        runs = [*([first] if first else []), *(entry for entry in kin if entry != first)][:LEAST]
    picker(replace(choice, runs=tuple(runs[:MOST])), "many")
    _told(len(address.runs))
    return runs[:MOST] or ([choice.run] if choice.run else [])


def _captures(choice: Choice, address: Address) -> Sequence[RunEntry]:
    """The chosen captures in the order of the choice; else the chosen one, then the newest."""
    known = {entry.run_id: entry for entry in choice.captures}
    for run_id in address.captures:
        if run_id not in known:
            raise UnknownNameError("capture", run_id, known)
    chosen = [known[run_id] for run_id in address.captures]
    first = [choice.capture] if choice.capture else []
    runs = (chosen or [*first, *(entry for entry in choice.captures if is_whole(entry) and entry not in first)])[:MOST]
    labels = run_labels(choice.captures)
    with st.sidebar:
        st.multiselect(
            "Captures",
            list(labels),
            format_func=labels.__getitem__,
            key=session.widget("captures", [entry.run_id for entry in runs]),
            placeholder="Choose two to four",
            on_change=lambda: session.change(captures=tuple(session.widget_value("captures"))),
        )
    _told(len(address.captures))
    return runs


def _told(chosen: int) -> None:
    if chosen > MOST:
        st.caption(f"{chosen} runs are chosen and the first {MOST} of them stand here: more columns cannot be read.")
