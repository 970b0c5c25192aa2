"""The form that starts a job, and the jobs there were."""

from collections.abc import Callable

import streamlit as st

from morphoquant.core.errors import MorphoQuantError
from morphoquant.core.offered import METHODS, SPECS
from morphoquant.core.spec import SPEC_FORM
from morphoquant.ui import jobs, launch, session
from morphoquant.ui.job_panel import job_panel
from morphoquant.ui.labels import run_labels
from morphoquant.ui.notes import note, problem

_SHOWN_JOBS = 5
_PACE = "An item takes about 0.2 s on two cores, for each method, spec and calibration set."


def job_form() -> None:
    """Chooses what to run, shows its command line, and starts it."""
    kinds: dict[str, Callable[[], list[str] | None]] = {
        "Demo": _demo,
        "Capture a model": _capture,
        "Quantise a capture": _quantise,
        "Evaluate answers": _evaluate,
        "Calibration matrix": _matrix,
        "Rank layers": _rank,
        "Look inside": _inspect,
    }
    busy = any(job.status == "running" for job in jobs.list_jobs(session.cache_folder()))
    with st.container(border=True):
        kind = st.segmented_control("Job", list(kinds), default="Demo", required=True, key="job_kind")
        try:
            argv = kinds[kind]()
        except MorphoQuantError as error:
            problem(error)
            return
        if argv is None:
            return
        st.code(launch.shown(argv), language="bash", wrap_lines=True)
        st.button("Start", type="primary", key="start_job", disabled=busy, on_click=_start, args=(argv,))
        st.caption(
            "A job runs in a process of its own: it goes on when this tab is closed. One job runs at a time."
            if not busy
            else "A job is running below: wait for it or cancel it, then start the next one."
        )
    refused = st.session_state.pop("job_refused", None)
    if refused:
        problem(refused)


def job_list() -> None:
    """The newest jobs."""
    cache = session.cache_folder()
    newest = jobs.list_jobs(cache)[:_SHOWN_JOBS]
    if not newest:
        note("No job was started from here yet.")
    for job in newest:
        job_panel(job.job_id, cache)


def _start(argv: list[str]) -> None:
    try:
        jobs.start(argv, session.cache_folder())
    except MorphoQuantError as error:
        st.session_state["job_refused"] = str(error)


def _demo() -> list[str]:
    st.markdown(
        "Fetches a text, image, audio and video model (about 250 MB, once), captures its activations, and quantises it to w4a4"
        " with RTN, DABC, MDQFO and MorphoQuant. What is in the cache is not done again."
    )
    return launch.demo_command()


def _capture() -> list[str]:
    model, samples, seed = st.columns([3, 1, 1])
    name = model.text_input(
        "Model",
        "demo",
        key="job_model",
        help='"demo", a hub id such as "Qwen/Qwen2.5-Omni-3B", or a local folder with safetensors',
    )
    return launch.capture_command(
        name,
        int(samples.number_input("Samples", 1, 100_000, 64, key="job_samples")),
        int(seed.number_input("Seed", 0, 2**31 - 1, 0, key="job_seed")),
    )


def _quantise() -> list[str] | None:
    captures = [
        entry
        for entry in session.store().entries()
        if entry.header and entry.header.plan.kind == "capture" and entry.header.status == "finished"
    ]
    if not captures:
        note("There is no finished capture to fit a method to: capture a model first.")
        return None
    labels = run_labels(captures)
    capture = st.selectbox("Capture", list(labels), format_func=labels.__getitem__, key="job_capture")
    methods, specs = _methods_and_specs("quantise", "rtn", "morphoquant")
    samples, seed = st.columns(2)
    return launch.quantize_command(
        capture,
        methods,
        specs,
        int(samples.number_input("Evaluation samples", 1, 100_000, 24, key="job_eval_samples")),
        int(seed.number_input("Seed", 0, 2**31 - 1, 0, key="job_eval_seed")),
    )


def _evaluate() -> list[str]:
    st.markdown("Asks the embedded model nine kinds of questions in full precision and quantised: accuracy, KL, perplexity.")
    methods, specs = _methods_and_specs("evaluate", "rtn", "morphoquant")
    return launch.evaluate_command(methods, specs, _items(100, _PACE))


def _matrix() -> list[str]:
    st.markdown("Calibrates each method on text, image, audio and video alone and on all, and asks the same questions of each.")
    methods, specs = _methods_and_specs("matrix", "morphoquant")
    return launch.matrix_command(methods, specs, _items(40, _PACE))


def _rank() -> list[str]:
    st.markdown(
        "Quantises each group of layers that share an input alone, and ranks the groups by what that does to the answers."
    )
    method, spec = st.columns(2)
    return launch.sensitivity_command(
        method.selectbox("Method", METHODS, METHODS.index("morphoquant"), key="job_method"),
        spec.selectbox("Spec", SPECS, key="job_spec"),
        _items(6, "The job tells first how many forwards it will take."),
    )


def _inspect() -> list[str]:
    st.markdown("Runs eight samples in full precision and quantised, and keeps hidden states and attention of a few blocks.")
    return launch.inspect_command(*_methods_and_specs("inspect", "rtn:grid=range", "morphoquant"))


def _items(usual: int, meaning: str) -> int:
    return int(st.number_input("Items of each task", 1, 100_000, usual, key=f"job_items_{usual}", help=meaning))


def _methods_and_specs(job: str, *usual: str) -> tuple[list[str], list[str]]:
    methods = st.multiselect(
        "Methods",
        METHODS,
        list(usual),
        key=f"{job}_methods",
        accept_new_options=True,
        help="name[:field=value,...], for example morphoquant:variant=paper,lam=1.5",
    )
    specs = st.multiselect(
        "Specs",
        SPECS,
        ["w4a4"],
        key=f"{job}_specs",
        accept_new_options=True,
        help=SPEC_FORM,
    )
    return methods, specs
