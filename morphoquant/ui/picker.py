"""The run picker: one capture, and the quantize runs that were fitted to it."""

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from morphoquant.core.errors import UnknownNameError
from morphoquant.store.run_store import RunEntry
from morphoquant.ui import session
from morphoquant.ui.address import Address
from morphoquant.ui.labels import run_labels


@dataclass(frozen=True)
class Choice:
    """The runs that the address stands for; each may be absent, unfinished or damaged.

    Attributes:
        captures: all captures, newest first.
        capture: the chosen one.
        fitted: quantize runs of that capture, newest first.
        run: the chosen one of them.
        runs: those to compare.
    """

    captures: tuple[RunEntry, ...]
    capture: RunEntry | None
    fitted: tuple[RunEntry, ...]
    run: RunEntry | None
    runs: tuple[RunEntry, ...]


def resolve(entries: Sequence[RunEntry], address: Address) -> Choice:
    """Finds the runs of an address; where it names none, the newest finished one, else the newest.

    Raises:
        UnknownNameError: the address names a run that is not in the cache.
    """
    known = {entry.run_id: entry for entry in entries}
    for run_id in (address.capture, address.run, *address.runs):
        if run_id is not None and run_id not in known:
            raise UnknownNameError("run", run_id, known)
    captures = [entry for entry in entries if _is_capture(entry)]
    named = [known[run_id] for run_id in (address.run, *address.runs) if run_id is not None]
    wanted = address.capture or next((_capture_of(entry) for entry in named), None)
    newest = next((_capture_of(entry) for entry in entries if not _is_capture(entry) and _capture_of(entry)), None)
    capture = known.get(wanted) if wanted else _newest(captures)
    owner = wanted or (capture.run_id if capture else newest)
    fitted = [entry for entry in entries if not _is_capture(entry) and _capture_of(entry) in (owner, None)]
    run = known.get(address.run) if address.run else None
    run = run if run in fitted else _newest(fitted)
    runs = [entry for entry in fitted if entry.run_id in address.runs]
    runs = runs or [entry for entry in fitted if entry.header and entry.header.status == "finished"]
    return Choice(tuple(captures), capture, tuple(fitted), run, tuple(runs))


def picker(choice: Choice, needs: str) -> None:
    """Draws the menus in the sidebar; `needs` is "capture", "quantize" or "many"."""
    with st.sidebar:
        if choice.captures:
            labels = run_labels(choice.captures)
            st.selectbox(
                "Model and data",
                options=list(labels),
                format_func=labels.__getitem__,
                key=session.widget("capture", choice.capture.run_id if choice.capture else None),
                placeholder="Choose a capture",
                on_change=_pick_capture,
            )
        labels = run_labels(choice.fitted)
        if needs == "quantize" and choice.fitted:
            st.selectbox(
                "Quantised run",
                options=list(labels),
                format_func=labels.__getitem__,
                key=session.widget("run", choice.run.run_id if choice.run else None),
                placeholder="Choose a run",
                on_change=lambda: session.change(run=session.widget_value("run")),
            )
        if needs == "many" and choice.fitted:
            st.multiselect(
                "Quantised runs",
                options=list(labels),
                format_func=labels.__getitem__,
                key=session.widget("runs", [entry.run_id for entry in choice.runs]),
                placeholder="Choose runs",
                on_change=lambda: session.change(runs=tuple(session.widget_value("runs"))),
            )


def _pick_capture() -> None:
    # Runs, layer and channel of another model mean nothing here.
    session.change(capture=session.widget_value("capture"), run=None, runs=(), layer=None, component=None, channel=None)


def _is_capture(entry: RunEntry) -> bool:
    return entry.header.plan.kind == "capture" if entry.header else entry.run_id.startswith("capture-")


def _capture_of(entry: RunEntry) -> str | None:
    if _is_capture(entry):
        return entry.run_id
    return entry.header.plan.capture if entry.header else None


def _newest(entries: Sequence[RunEntry]) -> RunEntry | None:
    """The newest finished one, else the newest that can be read, else the first."""
    by_rank = sorted(entries, key=lambda entry: 2 if entry.header is None else int(entry.header.status != "finished"))
    return by_rank[0] if by_rank else None
