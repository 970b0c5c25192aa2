"""Compare: methods and bit-widths side by side, by modality."""

import streamlit as st

from morphoquant.ui.error_figures import SIMULATED, compare_figures, compare_table
from morphoquant.ui.headline import headline
from morphoquant.ui.navigate import to_layer, way
from morphoquant.ui.page import open_page, sentences
from morphoquant.ui.panel import panel
from morphoquant.ui.tables import table_panel

scene = open_page("Which method keeps which modality best?", ("compare_methods", "compare_depth"))
with sentences():
    headline(compare_figures(scene))
st.caption(SIMULATED)
panel(scene, "compare_methods")
panel(scene, "compare_depth", on_click=to_layer("pages/layer_error.py"))
way("pages/side_by_side.py", "Set two to four of these runs side by side")
with sentences(), st.container(border=True):
    st.markdown("**The same numbers as a table**")
    table_panel(compare_table(scene), f"compare-{scene.subject.run_id}", "compare")
