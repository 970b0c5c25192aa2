"""From a prediction to a measurement: the chosen setting as a quantize job."""

import streamlit as st

from morphoquant.core.errors import MorphoQuantError, StoreError
from morphoquant.queries.what_if_runs import method_text, spec_text
from morphoquant.store.run_store import Run
from morphoquant.ui import jobs, launch, session
from morphoquant.ui.job_panel import job_panel
from morphoquant.ui.navigate import open_run
from morphoquant.ui.notes import note, plain, problem, sentence
from morphoquant.ui.page import Scene

_USUAL_SAMPLES = 15
_WEIGHT_BITS = (2, 3, 4, 5, 6, 7, 8, 16)


def measuring(scene: Scene, measured: Run | None) -> None:
    """The job box: its command, its button, and the job while it runs."""
    with st.container(border=True):
        st.markdown("**Measure it**")
        try:
            argv = _command(scene)
        except MorphoQuantError as error:
            note(sentence(error))
            return
        st.caption(
            "Runs the model with this setting on evaluation samples, in a process of its own. What it measures then stands "
            "beside the prediction."
        )
        st.code(launch.shown(argv), language="bash", wrap_lines=True)
        busy = next((job for job in jobs.list_jobs(session.cache_folder()) if job.status == "running"), None)
        st.button(
            "Measure this setting", type="primary", key="what_if_start", disabled=busy is not None, on_click=_start, args=(argv,)
        )
        if measured is not None:
            st.caption(plain(f"Its activations are measured already, by run {measured.run_id}."))
            if st.button("Open that run", key="what_if_open"):
                open_run(measured.run_id)
    refused = st.session_state.pop("what_if_refused", None)
    if refused:
        problem(refused)
    job = busy or next((job for job in jobs.list_jobs(session.cache_folder()) if job.argv == tuple(argv)), None)
    if job:
        job_panel(job.job_id, session.cache_folder())


def _command(scene: Scene) -> list[str]:
    """The command line.

    Raises:
        SpecError: no method has this setting.
        StoreError: the capture lacks what the method looks at.
    """
    settings, capture = scene.address.what_if, scene.capture
    method = method_text(settings)
    if settings.places_channels and not capture.has("token_sample"):
        raise StoreError(
            "this capture ships without the tokens that the search and the bypass are fitted to, so that they can be predicted "
            "but not measured on it: capture the model on the New run page, then measure it there."
        )
    weight = st.selectbox(
        "Weight bits",
        _WEIGHT_BITS,
        _WEIGHT_BITS.index(4),
        key="what_if_weight_bits",
        format_func=lambda bits: "full precision" if bits == 16 else str(bits),
        help="Weights are rounded too; the errors of inputs that are predicted here do not depend on them.",
        width=220,
    )
    return launch.quantize_command(capture.run_id, [method], [spec_text(settings, weight)], _samples(scene), capture.plan.seed)


def _samples(scene: Scene) -> int:
    """As many evaluation samples as the newest run of this capture took, so that runs can be compared."""
    for entry in scene.store.entries():
        plan = entry.header.plan if entry.header else None
        if plan and plan.kind == "quantize" and plan.capture == scene.capture.run_id:
            return int(plan.data.get("samples", _USUAL_SAMPLES))
    return _USUAL_SAMPLES


def _start(argv: list[str]) -> None:
    try:
        jobs.start(argv, session.cache_folder())
    except MorphoQuantError as error:
        st.session_state["what_if_refused"] = str(error)
