"""Inside: how the error travels through the model, and what it does to attention and hidden states on its way."""

import streamlit as st

from morphoquant.queries.propagation import last_blocks
from morphoquant.ui.headline import headline
from morphoquant.ui.inside_figures import inside_figures, looked_at
from morphoquant.ui.inside_scene import open_inside
from morphoquant.ui.notes import plain
from morphoquant.ui.page import sentences
from morphoquant.ui.panel import panel
from morphoquant.ui.tables import table_panel

VIEWS = ("error_propagation", "attention_pair", "attention_boundary", "hidden_states")

scene = open_inside("How does the error travel through the model?", VIEWS)
with sentences():
    headline(inside_figures(scene))
    st.caption(plain(looked_at(scene)))
frame = panel(scene, "error_propagation")
for name in VIEWS[1:]:
    panel(scene, name)
if frame is not None:
    with st.container(border=True):
        st.markdown("**SQNR in dB at the end of each part, and behind connectors**")
        table_panel(last_blocks(frame), f"propagation-{scene.run.run_id}", "propagation_table")
