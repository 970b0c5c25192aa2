"""The run picker: one capture, and the quantize runs that were fitted to it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import streamlit as st

from morphoquant.core.errors import UnknownNameError
from morphoquant.queries.own_channels import changing
from morphoquant.store.run_store import RunEntry
from morphoquant.ui import session
from morphoquant.ui.address import NOTHING, Address
from morphoquant.ui.labels import run_labels

MOST_COMPARED = 24


@dataclass(frozen=True)
class Choice:
    """The runs that the address stands for; each may be absent, unfinished or damaged.

    Attributes:
        captures: all captures, newest first.
        capture: the chosen one.
        fitted: quantize runs of that capture, newest first.
        run: the chosen one of them.
        before: the one that it is set against.
        runs: those to compare.
    """

    captures: tuple[RunEntry, ...]
    capture: RunEntry | None
    fitted: tuple[RunEntry, ...]
    run: RunEntry | None
    before: RunEntry | None
    runs: tuple[RunEntry, ...]


def resolve(entries: Sequence[RunEntry], address: Address) -> Choice:
    """Finds the runs of an address; where it names none, the newest finished one, else the newest.

    A capture that only evaluations were calibrated on (a row of the matrix) is taken where there is no other.

    Raises:
        UnknownNameError: the address names a run that is not in the cache.
    """
    known = {entry.run_id: entry for entry in entries}
    before = None if address.before == NOTHING else address.before
    for run_id in (address.capture, address.run, before, *address.runs):
        if run_id is not None and run_id not in known:
            raise UnknownNameError("run", run_id, known)
    asked = {_capture_of(entry) for entry in entries if _answers(entry)}
    entries = [entry for entry in entries if not _answers(entry)]
    asked -= {_capture_of(entry) for entry in entries if not _is_capture(entry)}
    captures = [entry for entry in entries if _is_capture(entry)]
    named = [known[run_id] for run_id in (address.run, *address.runs) if run_id is not None]
    wanted = address.capture or next((_capture_of(entry) for entry in named), None)
    newest = next((_capture_of(entry) for entry in entries if not _is_capture(entry) and _capture_of(entry)), None)
    capture = known.get(wanted) if wanted else _newest([entry for entry in captures if entry.run_id not in asked] or captures)
    owner = wanted or (capture.run_id if capture else newest)
    fitted = [entry for entry in entries if not _is_capture(entry) and _capture_of(entry) in (owner, None)]
    run = known.get(address.run) if address.run else None
    run = run if run in fitted else _newest(fitted)
    runs = [entry for entry in fitted if entry.run_id in address.runs]
    return Choice(
        captures=tuple(captures),
        capture=capture,
        fitted=tuple(fitted),
        run=run,
        before=None if address.before == NOTHING else known.get(before) or baseline(run, fitted),
        runs=tuple(runs) or alike(run, fitted),
    )


def alike(run: RunEntry | None, fitted: Sequence[RunEntry]) -> tuple[RunEntry, ...]:
    """Finished runs whose plans differ from that of `run` in method, fields and spec only, itself included."""
    if run is None or run.header is None:
        return ()
    plain = replace(run.header.plan, method=None, fields={}, spec=None)
    finished = [entry for entry in fitted if entry.header and entry.header.status == "finished"]
    return tuple(entry for entry in finished if replace(entry.header.plan, method=None, fields={}, spec=None) == plain)[
        :MOST_COMPARED
    ]


def baseline(run: RunEntry | None, fitted: Sequence[RunEntry]) -> RunEntry | None:
    """The run of plain rounding at the same spec, absent if there is none but `run` itself."""
    return next((entry for entry in alike(run, fitted) if entry != run and _is_rounding(entry, run)), None)


def is_whole(entry: RunEntry | None) -> bool:
    """Whether a run is there and finished."""
    return bool(entry and entry.header and entry.header.status == "finished")


def picker(choice: Choice, needs: str) -> None:
    """Draws the menus in the sidebar; `needs` is "capture", "after" (a quantised run if there is one), "quantize", "pair" or
    "many".
    """
    labels = run_labels(choice.captures)
    menu("Model and data", "capture", labels, choice.capture, _pick_capture)
    if needs == "capture":
        return
    labels = run_labels(choice.fitted)
    if needs == "many":
        with st.sidebar:
            st.multiselect(
                "Quantised runs",
                list(labels),
                format_func=labels.__getitem__,
                key=session.widget("runs", [entry.run_id for entry in choice.runs]),
                placeholder="Choose runs",
                on_change=lambda: session.change(runs=tuple(session.widget_value("runs"))),
            )
        return
    menu("Quantised run", "run", labels, choice.run, lambda: session.change(run=session.widget_value("run"), before=None))
    if needs == "pair":
        others = {NOTHING: "nothing"} | {
            run_id: label for run_id, label in labels.items() if choice.run and run_id != choice.run.run_id
        }
        menu(
            "Before: set against", "before", others, choice.before, lambda: session.change(before=session.widget_value("before"))
        )


def menu(title: str, name: str, labels: dict[str, str], chosen: RunEntry | None, changed: Callable[[], None]) -> None:
    """A menu of runs in the sidebar; none where there is nothing to choose."""
    if not labels:
        return
    value = chosen.run_id if chosen else NOTHING
    with st.sidebar:
        st.selectbox(
            title,
            list(labels),
            index=0 if value in labels else None,
            format_func=labels.__getitem__,
            key=session.widget(name, value if value in labels else None),
            placeholder="Choose one",
            on_change=changed,
        )


def _pick_capture() -> None:
    # Runs, layer and channel of another model mean nothing here.
    nothing = dict(run=None, runs=(), before=None, layer=None, component=None, role=None, channel=None)
    session.change(capture=session.widget_value("capture"), **nothing)


def _is_capture(entry: RunEntry) -> bool:
    return entry.header.plan.kind == "capture" if entry.header else entry.run_id.startswith("capture-")


def _answers(entry: RunEntry) -> bool:
    """Whether a run is of answers rather than layers: those have pages of their own, but for gradients, which have none."""
    kind = entry.header.plan.kind if entry.header else entry.run_id.partition("-")[0]
    return kind in ("evaluate", "sensitivity", "gradients", "inspect")


def _capture_of(entry: RunEntry) -> str | None:
    if _is_capture(entry):
        return entry.run_id
    return entry.header.plan.capture if entry.header else None


def _is_rounding(entry: RunEntry, run: RunEntry) -> bool:
    return entry.header.plan.method == "rtn" and entry.header.plan.spec == run.header.plan.spec


def _newest(entries: Sequence[RunEntry]) -> RunEntry | None:
    """The newest finished run, of those whose fixed grids every page can show if there are any; else the newest that can be
    read, else the first.
    """
    return min(entries, key=_rank, default=None)


def _rank(entry: RunEntry) -> int:
    if entry.header is None:
        return 3
    if entry.header.status != "finished":
        return 2
    grids = "grids" in entry.header.tables
    return 0 if grids and changing(entry.header.plan) is None else 1
