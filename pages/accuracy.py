"""Accuracy: what the bits do to the answers, method by method, by what is asked about."""

import streamlit as st

from morphoquant.ui.answer_figures import accuracy_figures, accuracy_table, asked_of, tested
from morphoquant.ui.answer_scene import open_answers
from morphoquant.ui.headline import headline
from morphoquant.ui.notes import plain
from morphoquant.ui.page import sentences
from morphoquant.ui.panel import panel
from morphoquant.ui.tables import table_panel

scene = open_answers("Does the model still answer?", ("accuracy", "paired_test", "perplexity"))
with sentences():
    headline(accuracy_figures(scene))
    st.caption(plain(asked_of(scene)))
panel(scene, "accuracy")
if scene.against is not None:
    panel(scene, "paired_test")
    with sentences(), st.container(border=True):
        st.markdown("**In words**")
        st.markdown("\n".join(f"- {plain(sentence)}" for sentence in tested(scene)))
panel(scene, "perplexity")
with sentences(), st.container(border=True):
    st.markdown("**The same numbers as a table**")
    table_panel(accuracy_table(scene), f"accuracy-{scene.run.run_id}", "accuracy_table")
