"""What a job does now: progress, time left, its log, and a button to cancel it. Redraws itself, not the page."""

from pathlib import Path

import streamlit as st

from morphoquant.ui import jobs
from morphoquant.ui.launch import shown
from morphoquant.ui.navigate import open_run
from morphoquant.ui.notes import problem
from morphoquant.ui.numbers import duration, when

_REDRAW_SECONDS = 1.0
_LOG_HEIGHT = 260


def job_panel(job_id: str, cache: Path) -> None:
    """Shows one job; a running one is redrawn every second, and the page once when it ends."""
    running = jobs.status(job_id, cache).status == "running"
    st.fragment(_draw, run_every=_REDRAW_SECONDS if running else None)(job_id, cache, running)


def _draw(job_id: str, cache: Path, was_running: bool) -> None:
    job = jobs.status(job_id, cache)
    if was_running and job.status != "running":
        st.rerun()
    with st.container(border=True):
        st.markdown(f"**Job {job.job_id}**, started {when(job.started)}")
        st.code(shown(job.argv), language="bash", wrap_lines=True)
        _state(job)
        if job.status == "running":
            st.button("Cancel this job", key=f"cancel_{job_id}", on_click=jobs.cancel, args=(job_id, cache))
        if job.status == "finished" and job.run_id and st.button("Open its run", key=f"open_{job_id}"):
            open_run(job.run_id)
        log = jobs.log_tail(job_id, cache)
        if log:
            with st.expander("Log", expanded=job.status in ("running", "failed")):
                st.code(log, language=None, wrap_lines=True, height=_LOG_HEIGHT)


def _state(job: jobs.Job) -> None:
    if job.status == "running":
        left = "" if job.seconds_left is None else f", about {duration(job.seconds_left)} left"
        steps = f" {job.done} of {job.total}" if job.total else ""
        st.progress(min(job.done / job.total, 1.0) if job.total else 0.0, text=f"{job.stage or 'starting'}{steps}{left}")
    elif job.status == "finished":
        st.success("Finished." + (f" It wrote run {job.run_id}." if job.run_id else ""))
    elif job.status == "cancelled":
        st.warning("Cancelled. Whole batches are kept: the same command resumes.")
    else:
        problem(job.error or "It failed without a reason.")
