"""Tokens: one layer's input by token and channel, before and after quantisation, with or without the first token."""

from morphoquant.ui.defaults import at_standing_out
from morphoquant.ui.headline import headline
from morphoquant.ui.page import open_page, sentences
from morphoquant.ui.panel import panel
from morphoquant.ui.token_figures import first_token_switch, token_figures

scene = open_page("Which tokens and which channels carry the large values?", ("token_surface", "token_map"))
with sentences():
    scene = at_standing_out(scene)
    headline(token_figures(scene))
    first_token_switch(scene)
panel(scene, "token_surface")
panel(scene, "token_map")
