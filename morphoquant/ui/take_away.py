"""What one takes away: the bundle that was put together on the other pages, and the report of one run."""

from dataclasses import replace

import streamlit as st

from morphoquant.core.errors import MorphoQuantError
from morphoquant.store.run_store import RunStore
from morphoquant.takeaway.asked import Asked
from morphoquant.takeaway.bundle import bundle
from morphoquant.takeaway.choose import among
from morphoquant.takeaway.facts import involved, run_title, view_in_words
from morphoquant.takeaway.paper_tables import TABLES
from morphoquant.takeaway.report import report
from morphoquant.ui import session
from morphoquant.ui.kept_figures import change, kept, lift
from morphoquant.ui.labels import run_labels
from morphoquant.ui.notes import note, plain, problem
from morphoquant.views.base import VIEWS

_WIDTHS = {"single": "single column", "double": "double column"}
_MADE, _REPORT = "morphoquant.made", "morphoquant.report"
_KINDS = {
    "capture": "Activations",
    "quantize": "Layer errors",
    "evaluate": "Answers",
    "sensitivity": "Sensitivity",
    "inspect": "Inside",
}
_KINDS = {
    "capture": "Activations",
    "quantize": "Layer errors",
    "evaluate": "Answers",
    "sensitivity": "Sensitivity",
    "inspect": "Inside",
}


def figures_kept(store: RunStore) -> None:
    """The figures of the bundle: their width and order, and a way to take each out."""
    if not kept():
        note("No figure is in the bundle yet: on any page open **Save** at a figure and press **Put into the bundle**.")
    for place, asked in enumerate(kept()):
        _row(store, place, asked)


def tables_chosen(store: RunStore) -> list[Asked]:
    """A menu of the tables that the runs of the figures allow; what is chosen."""
    runs = involved(store, [store.open(name) for name in dict.fromkeys(name for one in kept() for name in one.runs)])
    offered = {name: among(table, runs) for name, table in TABLES.items()}
    names = [name for name, found in offered.items() if found]
    if not names:
        return []
    chosen = st.multiselect("Tables of the same runs", names, format_func=lambda name: TABLES[name].title, key="bundle_tables")
    return [Asked(name, tuple(run.run_id for run in offered[name]), width=TABLES[name].width) for name in chosen]


def bundle_made(store: RunStore, tables: list[Asked]) -> None:
    """Makes the zip when asked, and offers it for as long as it is what the list above says."""
    wanted = (str(store.cache), kept(), tuple(tables))
    if st.button("Make the bundle", type="primary", key="make_bundle", disabled=not (kept() or tables)):
        bar = st.progress(0.0, "Drawing")
        try:
            data = bundle(store, kept(), tables, lambda stage, done, total: bar.progress(done / total, "Drawing"))
            st.session_state[_MADE] = (wanted, data)
        except MorphoQuantError as error:
            problem(error)
        bar.empty()
    made, data = st.session_state.get(_MADE, (None, b""))
    if made == wanted:
        st.download_button(
            f"Save the bundle ({len(data) / 1e6:.1f} MB)",
            data,
            "morphoquant-bundle.zip",
            "application/zip",
            on_click="ignore",
            key="save_bundle",
        )


def report_made(store: RunStore) -> None:
    """A menu of the finished runs, and the report of the chosen one, made when asked."""
    finished = [entry for entry in store.entries() if entry.header and entry.header.status == "finished"]
    labels = {}
    for kind, word in _KINDS.items():
        own = run_labels([entry for entry in finished if entry.header.plan.kind == kind])
        labels |= {run_id: f"{word}: {label}" for run_id, label in own.items()}
    # The run that was looked at comes first.
    names = sorted(labels, key=lambda run_id: run_id != session.address().run)
    if not names:
        note("There is no finished run yet: make one with **New run**.")
        return
    run_id = st.selectbox("Run", names, format_func=labels.__getitem__, key="report_run")
    if st.button("Make the report", key="make_report"):
        with st.spinner("Drawing"):
            try:
                st.session_state[_REPORT] = (run_id, report(store, store.open(run_id)))
            except MorphoQuantError as error:
                problem(error)
    made, text = st.session_state.get(_REPORT, (None, ""))
    if made == run_id:
        size = f"{len(text) / 1e6:.1f} MB"
        st.download_button(f"Save the report ({size})", text, f"{run_id}.html", "text/html", on_click="ignore", key="save_report")


def _row(store: RunStore, place: int, asked: Asked) -> None:
    view = VIEWS[asked.view]
    with st.container(border=True):
        words, width, up, out = st.columns([6, 3, 1, 1], vertical_alignment="center")
        said = [*view_in_words(view, asked.selection), _runs(store, asked)]
        words.markdown(f"{place + 1}. **{view.title}**")
        words.caption(plain("; ".join(said)))
        key = f"{place}_{hash(asked)}"
        width.segmented_control(
            "Width",
            list(_WIDTHS),
            format_func=_WIDTHS.__getitem__,
            default=asked.width,
            key=f"kept_width_{key}",
            label_visibility="collapsed",
            required=True,
            on_change=lambda: change(place, replace(asked, width=st.session_state[f"kept_width_{key}"])),
        )
        up.button("Up", key=f"kept_up_{key}", on_click=lift, args=(place,), disabled=place == 0, width="stretch")
        out.button("Remove", key=f"kept_out_{key}", on_click=change, args=(place, None), width="stretch")


def _runs(store: RunStore, asked: Asked) -> str:
    here = {entry.run_id for entry in store.entries() if entry.header}
    return ", ".join(run_title(store.open(name)) if name in here else f"{name} (gone)" for name in asked.runs)
