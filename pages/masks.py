"""Outlier masks: which channels DABC's rule marks, by layer and modality, what modalities share, and what lasts with depth."""

from morphoquant.ui.headline import headline
from morphoquant.ui.mask_figures import mask_figures
from morphoquant.ui.navigate import to_layer
from morphoquant.ui.page import open_page, sentences
from morphoquant.ui.panel import panel

scene = open_page(
    "Are the outlier channels of one modality those of another?",
    ("outlier_mask", "mask_sets", "mask_overlap", "channel_map", "lasting_channels"),
)
with sentences():
    headline(mask_figures(scene))
panel(scene, "outlier_mask", on_click=to_layer("pages/distribution.py"))
panel(scene, "mask_sets")
panel(scene, "channel_map")
panel(scene, "lasting_channels")
panel(scene, "mask_overlap")
