"""The What if page: controls and one layer side by side, every layer on demand."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from morphoquant.core.errors import MorphoQuantError
from morphoquant.queries.what_if import Prediction, layer_sums
from morphoquant.queries.what_if_frames import differences, grid_frame, mask_frame, model_frame, split_frame
from morphoquant.queries.what_if_runs import measured_run
from morphoquant.queries.what_if_tokens import token_sums
from morphoquant.store.run_store import Run
from morphoquant.ui import session, what_if_kept
from morphoquant.ui.headline import headline
from morphoquant.ui.navigate import to_layer
from morphoquant.ui.notes import note, sentence
from morphoquant.ui.page import Scene
from morphoquant.ui.panel import panel
from morphoquant.ui.tables import table_panel
from morphoquant.ui.what_if_answers import against, cards, far_off, in_words, of_tokens_in_words, table
from morphoquant.ui.what_if_controls import controls


def measured_of(scene: Scene) -> Run | None:
    """The newest run of the very setting."""
    return measured_run(scene.store, scene.capture, scene.address.what_if)


def one_layer(scene: Scene, measured: Run | None) -> None:
    """The controls and everything about the chosen layer; where nothing can be predicted, the sentence that says why."""
    head = st.container()
    setting, shown = st.columns([3, 8], gap="medium")
    with setting:
        controls(scene.address.what_if)
    try:
        answer = _of_tokens(scene) if scene.address.what_if.granularity == "token" else _of_histograms(scene)
    except MorphoQuantError as error:
        with shown:
            note(sentence(error))
        return
    frame = split_frame(answer.sums, scene.selection("what_if_split"), measured)
    with head:
        headline(cards(frame))
    with shown:
        st.markdown(answer.told(frame))
        st.caption(against(frame, measured))
        prediction = answer.prediction
        if prediction is not None:
            panel(scene, "what_if_grid", answer=lambda selection: grid_frame(prediction, selection), narrow=True)
        panel(scene, "what_if_split", answer=lambda selection: frame, narrow=True)
        if prediction is not None:
            panel(scene, "what_if_mask", on_click=to_layer(), answer=lambda selection: mask_frame(prediction), narrow=True)
    with st.container(border=True):
        st.markdown("**Predicted against measured**")
        table_panel(table(frame), f"what-if-{scene.capture.run_id}", "what_if")


@dataclass(frozen=True, eq=False)
class _Answer:
    """What is known of a layer: its sums, what is told of them, and, of histograms, the prediction with its grids."""

    sums: pd.DataFrame
    told: Callable[[pd.DataFrame], str]
    prediction: Prediction | None = None


def _of_histograms(scene: Scene) -> _Answer:
    prediction = what_if_kept.predicted(scene)
    sums = layer_sums(prediction, scene.selection("what_if_split"))
    return _Answer(sums, lambda frame: in_words(prediction, frame), prediction)


def _of_tokens(scene: Scene) -> _Answer:
    scene.address.what_if.check()
    tokens = what_if_kept.kept(scene)
    sums = token_sums(tokens, scene.address.what_if, scene.selection("what_if_split"))
    return _Answer(sums, lambda frame: of_tokens_in_words(tokens, frame))


def every_layer(scene: Scene, measured: Run | None) -> None:
    """The same setting on all layers, if asked for."""
    st.toggle(
        "Predict every layer",
        key=session.widget("all_layers", scene.address.all_layers),
        on_change=lambda: session.change(all_layers=session.widget_value("all_layers")),
        help="Reads the histograms of the chosen part once, which takes seconds; then every change is answered at once.",
    )
    if not scene.address.all_layers:
        return
    prediction: list[Prediction] = []

    def answer(selection):
        prediction.append(what_if_kept.predicted_everywhere(scene))
        return model_frame(prediction[0], selection, selection.measure or "sqnr_db", measured)

    frame = panel(scene, "what_if_error", on_click=to_layer(), answer=answer)
    if frame is None:
        return
    if measured is not None and (scene.address.measure("what_if_error") or "sqnr_db") == "sqnr_db":
        st.caption(far_off(differences(frame), measured))
    _coverage(scene, prediction[0])


def _coverage(scene: Scene, prediction: Prediction) -> None:
    everything = scene.capture.header.summary.get("shipped_groups")
    if everything:
        shown = len(prediction.inputs.layers)
        st.caption(f"This stored capture keeps histograms of {len(everything)} layer inputs, {shown} of them in the chosen part.")
