"""Sensitivity: which layers hurt the answers most when they alone are quantised."""

import streamlit as st

from morphoquant.queries.sensitivity import ranking_in_words
from morphoquant.ui.allocation import allocation_choice
from morphoquant.ui.answer_figures import asked_of, sensitivity_figures
from morphoquant.ui.answer_scene import open_answers
from morphoquant.ui.headline import headline
from morphoquant.ui.notes import plain
from morphoquant.ui.page import sentences
from morphoquant.ui.panel import panel
from morphoquant.ui.tables import table_panel

scene = open_answers(
    "Which layers must keep more bits, and for which modality?",
    ("sensitivity_ranking", "sensitivity_depth", "sensitivity_sum", "bit_allocation"),
)
with sentences():
    headline(sensitivity_figures(scene))
    st.caption(plain(asked_of(scene)))
frame = panel(scene, "sensitivity_ranking")
panel(scene, "sensitivity_depth")
panel(scene, "sensitivity_sum")
front = panel(scene, "bit_allocation")
allocation_choice(scene, front)
if frame is not None:
    with st.container(border=True):
        st.markdown("**The whole ranking as a table**")
        table_panel(ranking_in_words(frame), f"sensitivity-{scene.run.run_id}", "sensitivity_table")
