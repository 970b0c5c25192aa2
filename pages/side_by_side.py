"""Side by side: one figure of two to four runs on coupled axes, and what changes from the first of them to the others."""

from morphoquant.ui.defaults import at_some_layer
from morphoquant.ui.headline import headline
from morphoquant.ui.navigate import to_layer
from morphoquant.ui.notes import note
from morphoquant.ui.page import sentences
from morphoquant.ui.panel import panel
from morphoquant.ui.side_scene import open_sides, side_figures

scene = open_sides("Where do these runs differ?")
with sentences():
    headline(side_figures(scene))
    scene = at_some_layer(scene) if "layer" in scene.view.takes else scene
panel(scene, f"side_{scene.view.name}", on_click=to_layer())
if scene.view.beside.less is None:
    note("Levels of two grids stand at different values, so that there is nothing to subtract.")
else:
    panel(scene, f"difference_{scene.view.name}", on_click=to_layer())
