"""Layer error: where quantisation loses what, before and after, by modality, and by what kind of error."""

import streamlit as st

from morphoquant.ui.error_figures import SIMULATED, error_figures
from morphoquant.ui.headline import headline
from morphoquant.ui.navigate import to_layer, way
from morphoquant.ui.page import open_page, sentences
from morphoquant.ui.panel import panel

scene = open_page("Which layers does quantisation hurt, and for which modality?", ("layer_error", "error_split", "error_sources"))
with sentences():
    headline(error_figures(scene))
st.caption(SIMULATED)
panel(scene, "layer_error", on_click=to_layer())
with st.container(horizontal=True):
    if scene.address.layer is None:
        st.caption("Click a layer above, or choose one at the left, for the ways to its grid and its distribution.")
    else:
        way("pages/grid.py", "Grid of the chosen layer")
        way("pages/distribution.py", "Distribution of the chosen layer")
panel(scene, "error_split", on_click=to_layer("pages/grid.py"))
panel(scene, "error_sources")
