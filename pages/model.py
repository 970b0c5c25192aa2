"""Model: towers, connectors, blocks and head as a diagram, coloured by any measure; down to a block, a linear and its pages."""

from morphoquant.ui.block_section import show_block
from morphoquant.ui.headline import headline
from morphoquant.ui.model_page import measure_of, model_figures, model_frame, open_model
from morphoquant.ui.navigate import to_layer
from morphoquant.ui.page import sentences
from morphoquant.ui.panel import panel

scene, view = open_model()
with sentences():
    measure = measure_of(scene, view)
    headline(model_figures(model_frame(scene, view), measure))
frame = panel(scene, view, on_click=to_layer())
if frame is not None:
    show_block(frame, scene.address, measure)
