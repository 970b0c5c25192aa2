"""Grid placement: the levels over the distribution, alpha before and after the search, codes used, clipped and bypassed."""

import streamlit as st

from morphoquant.ui.defaults import at_some_layer
from morphoquant.ui.error_figures import grid_figures, other_channels
from morphoquant.ui.headline import headline
from morphoquant.ui.navigate import to_layer, way
from morphoquant.ui.notes import note
from morphoquant.ui.page import open_page, sentences
from morphoquant.ui.panel import panel

scene = open_page(
    "Do the grid's levels stand where the values are?", ("grid_placement", "alpha_search", "codes_used", "grid_use")
)
with sentences():
    scene = at_some_layer(scene)
    headline(grid_figures(scene))
changed = other_channels(scene.runs[0])
if changed:
    note(changed)
panel(scene, "grid_placement")
panel(scene, "alpha_search", on_click=to_layer())
panel(scene, "codes_used")
panel(scene, "grid_use", on_click=to_layer())
way("pages/what_if.py", "Try other bits, ranges and a bypass on this layer")
if st.toggle(
    "Predict this input's SQNR at other bit-widths", key="predict", help="Runs the quantiser over the stored histograms."
):
    panel(scene, "predicted_sqnr")
if st.toggle(
    "Show how many bits of information the codes of every layer carry", key="entropy", help="Reads the stored histograms."
):
    panel(scene, "code_entropy", on_click=to_layer())
