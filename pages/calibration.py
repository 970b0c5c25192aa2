"""Calibration matrix: what a method answers, by the modality that it was calibrated on."""

import streamlit as st

from morphoquant.queries.calibration_matrix import matrix_table
from morphoquant.ui.answer_figures import asked_of, matrix_figures
from morphoquant.ui.answer_scene import open_answers
from morphoquant.ui.headline import headline
from morphoquant.ui.notes import plain
from morphoquant.ui.page import sentences
from morphoquant.ui.panel import panel
from morphoquant.ui.tables import table_panel

scene = open_answers("Does calibrating on one modality hurt the others?", ("calibration_matrix",), matrix=True)
with sentences():
    headline(matrix_figures(scene))
    st.caption(plain(asked_of(scene)))
frame = panel(scene, "calibration_matrix")
if frame is not None:
    with st.container(border=True):
        st.markdown("**Accuracy as a table**")
        table_panel(matrix_table(frame), f"calibration-{scene.run.run_id}", "calibration_table")
