"""What if: any bits, range, search or bypass on the stored histograms, at once and without the model; then measured by a job."""

from morphoquant.ui.defaults import at_some_layer
from morphoquant.ui.page import open_page, sentences
from morphoquant.ui.what_if import every_layer, measured_of, one_layer
from morphoquant.ui.what_if_job import measuring

scene = open_page(
    "What would other bits, ranges or a bypass do?", ("what_if_grid", "what_if_split", "what_if_mask", "what_if_error")
)
with sentences():
    scene = at_some_layer(scene)
    measured = measured_of(scene)
    one_layer(scene, measured)
    every_layer(scene, measured)
    measuring(scene, measured)
