"""Coverage: what the capture saw of each modality, and whether its ranges have settled."""

from morphoquant.ui.coverage import show_coverage
from morphoquant.ui.headline import headline
from morphoquant.ui.navigate import to_layer
from morphoquant.ui.page import open_page, sentences
from morphoquant.ui.panel import panel
from morphoquant.ui.settling_figures import settling_figures

scene = open_page("Is the calibration set enough, and for which modality?", ("settling", "still_rising", "tokens_by_modality"))
with sentences():
    headline(settling_figures(scene))
panel(scene, "settling")
panel(scene, "still_rising", on_click=to_layer("pages/distribution.py"))
panel(scene, "tokens_by_modality")
show_coverage(scene)
