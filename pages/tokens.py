"""Tokens: one layer's input by token and channel, before and after quantisation, with or without the first token."""

from morphoquant.ui.defaults import at_some_layer
from morphoquant.ui.headline import headline
from morphoquant.ui.page import open_page, sentences
from morphoquant.ui.panel import panel
from morphoquant.ui.token_figures import token_figures

scene = open_page("Which tokens and which channels carry the large values?", ("token_surface", "token_map"))
with sentences():
    scene = at_some_layer(scene)
    headline(token_figures(scene))
panel(scene, "token_surface")
panel(scene, "token_map")
