"""Distribution morphology: the shape of one layer input by modality, its channels, and how it changes with depth."""

import streamlit as st

from morphoquant.ui.defaults import at_some_layer
from morphoquant.ui.headline import headline
from morphoquant.ui.layer_figures import layer_figures
from morphoquant.ui.navigate import to_layer
from morphoquant.ui.page import open_page, sentences
from morphoquant.ui.panel import panel

scene = open_page(
    "What shape do the activations have, modality by modality?", ("activation_histogram", "channel_ranges", "depth_profile")
)
with sentences():
    chosen, scene = scene, at_some_layer(scene)
    headline(layer_figures(scene))
panel(scene, "activation_histogram")
panel(scene, "channel_ranges", on_click=to_layer())
panel(scene, "depth_profile", on_click=to_layer())
if st.toggle("Show the distributions of all blocks", key="ridges", help="Of the chosen layer's role; reads their histograms."):
    panel(chosen, "range_ridges", on_click=to_layer())
