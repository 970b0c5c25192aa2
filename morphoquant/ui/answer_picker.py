"""Which evaluate and sensitivity runs the pages on answers look at, and their menus."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import streamlit as st

from morphoquant.core.errors import UnknownNameError
from morphoquant.core.evaluation import SUBJECTS
from morphoquant.queries.evaluations import calibrations, companions, most_telling, with_other_calibrations
from morphoquant.store.run_store import Run, RunEntry, RunStore
from morphoquant.ui import session
from morphoquant.ui.address import NOTHING, Address
from morphoquant.ui.labels import answer_labels
from morphoquant.ui.modality_marks import marked_subject
from morphoquant.ui.picker import is_whole, menu


@dataclass(frozen=True)
class Asked:
    """The runs that an address stands for; the chosen one may be absent, unfinished or damaged.

    Attributes:
        offered: runs that may be chosen, newest first.
        run: the chosen one.
        beside: finished evaluations that may stand beside it, itself included; in a matrix, the same method by calibration set.
        chosen: those of them that are shown.
        against: what the address asks to test it against, absent for the page's own choice.
    """

    offered: tuple[RunEntry, ...]
    run: RunEntry | None
    beside: tuple[Run, ...] = ()
    chosen: tuple[Run, ...] = ()
    against: Run | None = None


def resolve_answers(store: RunStore, entries: Sequence[RunEntry], address: Address, needs: str) -> Asked:
    """Finds the runs of an address.

    Args:
        store: holds them.
        entries: all of its runs, newest first.
        address: what is asked for.
        needs: "evaluate", "matrix" (a method that was calibrated on several sets) or "sensitivity".

    Raises:
        UnknownNameError: the address names a run that is not in the cache.
    """
    known = {entry.run_id: entry for entry in entries}
    for run_id in (address.evaluation, address.against, address.sensitivity, *address.evaluations):
        if run_id is not None and run_id not in known:
            raise UnknownNameError("run", run_id, known)
    if needs == "sensitivity":
        offered = [entry for entry in entries if _kind(entry) == "sensitivity"]
        return Asked(tuple(offered), _one_of(offered, address.sensitivity))
    offered = [entry for entry in entries if _kind(entry) == "evaluate"]
    if needs == "matrix":
        methods = with_other_calibrations(offered)
        offered = [next((one for one in runs if one.run_id == address.evaluation), runs[0]) for runs in methods]
    run = _one_of(offered, address.evaluation)
    if not is_whole(run):
        return Asked(tuple(offered), run)
    whole = store.open(run.run_id)
    if needs == "matrix":
        return Asked(tuple(offered), run, tuple(calibrations(store, whole)))
    beside = companions(store, whole)
    wanted = {*address.evaluations, run.run_id} if address.evaluations else {one.run_id for one in beside}
    chosen = tuple(one for one in beside if one.run_id in wanted)
    named = next((one for one in beside if one.run_id == address.against and one.run_id != run.run_id), None)
    return Asked(tuple(offered), run, tuple(beside), chosen, named)


def answer_picker(asked: Asked, entries: Sequence[RunEntry], needs: str, subjects: Sequence[str]) -> None:
    """Draws the menus in the sidebar.

    Args:
        asked: what `resolve_answers` found.
        entries: all runs, for the names of what was calibrated on.
        needs: as there.
        subjects: chosen ones, empty for all.
    """
    labels = answer_labels(asked.offered, entries)
    field = "sensitivity" if needs == "sensitivity" else "evaluation"
    title = {"evaluate": "Evaluation", "matrix": "Method and bits", "sensitivity": "Sensitivity run"}[needs]
    menu(title, field, labels, asked.run, _chooser(field))
    if asked.chosen:
        names = [one.run_id for one in asked.beside]
        labels = answer_labels([entry for entry in asked.offered if entry.run_id in names], entries)
        others = {NOTHING: "the page's choice"} | {name: labels[name] for name in names if name != asked.run.run_id}
        with st.sidebar:
            st.selectbox(
                "Tested against",
                list(others),
                format_func=others.__getitem__,
                key=session.widget("against", asked.against.run_id if asked.against else NOTHING),
                on_change=lambda: session.change(against=_unless_nothing(session.widget_value("against"))),
            )
            st.multiselect(
                "Shown beside it",
                names,
                format_func=labels.__getitem__,
                key=session.widget("evaluations", [one.run_id for one in asked.chosen]),
                help="Runs of the same model, items, calibration data and scope: others must not stand beside it.",
                on_change=lambda: session.change(evaluations=_unless_all(session.widget_value("evaluations"), names)),
            )
    if asked.run is not None:
        with st.sidebar:
            st.pills(
                "Questions about",
                SUBJECTS,
                selection_mode="multi",
                format_func=marked_subject,
                key=session.widget("subjects", list(subjects or SUBJECTS)),
                on_change=lambda: session.change(subjects=_unless_all(session.widget_value("subjects"), SUBJECTS)),
            )


def _chooser(field: str) -> Callable[[], None]:
    def change() -> None:
        # What stood beside another run may not stand beside this one.
        rest = {"against": None, "evaluations": ()} if field == "evaluation" else {}
        session.change(**{field: session.widget_value(field)}, **rest)

    return change


def _unless_nothing(value: str) -> str | None:
    return None if value == NOTHING else value


def _unless_all(chosen: Sequence[str], offered: Sequence[str]) -> tuple[str, ...]:
    return () if len(chosen) in (0, len(offered)) else tuple(name for name in offered if name in chosen)


def _kind(entry: RunEntry) -> str:
    return entry.header.plan.kind if entry.header else entry.run_id.partition("-")[0]


def _one_of(offered: Sequence[RunEntry], wanted: str | None) -> RunEntry | None:
    """The wanted one, else the most telling."""
    named = next((entry for entry in offered if entry.run_id == wanted), None)
    return named or next(iter(most_telling(offered)), None)
