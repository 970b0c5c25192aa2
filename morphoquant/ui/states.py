"""Pages for a cache without a run, and for runs that are not there to be read: what is wrong, and what to do."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from morphoquant.core.errors import MorphoQuantError
from morphoquant.store.header import RunHeader
from morphoquant.store.run_store import RunEntry
from morphoquant.ui import jobs, launch, session
from morphoquant.ui.job_panel import job_panel
from morphoquant.ui.launch import shown
from morphoquant.ui.notes import note, problem
from morphoquant.ui.numbers import when


@dataclass(frozen=True)
class _Missing:
    """What is said where there is no run of a kind, and the command that makes one."""

    said: str
    command: Callable[[], list[str]]
    button: str


_MISSING = {
    "capture": _Missing(
        "This cache holds no capture yet. A capture runs a model once and keeps the statistics that every page here reads. "
        "The demo fetches a small text, image, audio and video model, captures it and quantises it to w4a4:",
        launch.demo_command,
        "Start the demo run",
    ),
    "quantize": _Missing(
        "No quantised run belongs to this capture yet. Start one from the New run page, or with the demo:",
        launch.demo_command,
        "Start the demo run",
    ),
    "evaluate": _Missing(
        "This cache holds no evaluation yet. An evaluation asks a model closed questions about text, pictures, sounds and "
        "videos, in full precision and quantised. On two cores this one takes about a quarter of an hour:",
        launch.evaluate_command,
        "Start the evaluation",
    ),
    "matrix": _Missing(
        "No method in this cache was calibrated on several sets and asked the same questions. The matrix of the demo model takes "
        "about a quarter of an hour on two cores:",
        launch.matrix_command,
        "Start the matrix",
    ),
    "sensitivity": _Missing(
        "This cache holds no sensitivity run yet. One quantises each group of layers alone and ranks the groups by what that "
        "does to the answers. On two cores this one takes about a quarter of an hour:",
        launch.sensitivity_command,
        "Start the ranking",
    ),
    "inspect": _Missing(
        "This cache holds no run that looks inside a model yet. One runs eight samples in full precision and quantised, and "
        "keeps hidden states and attention. On two cores this one takes about two minutes:",
        launch.inspect_command,
        "Look inside",
    ),
}


def empty(cache: Path, wanted: str) -> None:
    """No run of the wanted kind, a key of `_MISSING`; a running job is shown."""
    busy = _running_job(cache)
    if busy:
        note("There is nothing to show yet: a job is running.")
        job_panel(busy.job_id, cache)
        return
    missing = _MISSING[wanted]
    note(missing.said)
    command = missing.command()
    st.code(shown(command), language="bash")
    if st.button(missing.button, type="primary", key="start_missing"):
        try:
            jobs.start(command, cache)
        except MorphoQuantError as error:
            problem(error)
        else:
            st.switch_page("pages/new_run.py")
    st.caption(f"Cache folder: `{session.runs_at()}`. Another one is chosen by the environment variable MORPHOQUANT_CACHE.")


def running(header: RunHeader, cache: Path) -> None:
    """A run that has no tables yet."""
    note(f"This run is not finished. It was started at {when(header.created)}.")
    busy = _running_job(cache)
    if busy:
        job_panel(busy.job_id, cache)
        return
    if header.shards:
        st.markdown(f"{header.shards[-1][1]} batches are stored.")
    st.markdown("Another process is writing it. This page opens as soon as it is finished.")
    st.button("Look again", key="look_again")


def failed(header: RunHeader) -> None:
    """A run that ended with an error: the sentence it ended with."""
    st.error(f"This run failed at {when(header.finished)}." if header.finished else "This run was interrupted.")
    st.code(header.error or "no reason was written", language=None, wrap_lines=True)
    st.markdown(
        "Whole batches are kept: once the cause is gone, the same command resumes it. Other runs are in the menu at the left."
    )


def damaged(entry: RunEntry) -> None:
    """A folder that cannot be read: the sentence that says why."""
    st.error("This run cannot be read.")
    st.code(entry.problem or "no reason is known", language=None, wrap_lines=True)
    st.markdown("Other runs are in the menu at the left.")


def _running_job(cache: Path) -> jobs.Job | None:
    return next((job for job in jobs.list_jobs(cache) if job.status == "running"), None)
