"""What a page looks at while the user has chosen nothing: the input with the strongest outliers that the run can show in full."""

import streamlit as st

from morphoquant.core.selection import Selection
from morphoquant.queries.histograms import layers_with_histograms
from morphoquant.queries.worst import worst_layers
from morphoquant.store.run_store import RunStore
from morphoquant.ui.page import Scene


def at_some_layer(scene: Scene) -> Scene:
    """The scene with the default layer of its capture where none is chosen."""
    if scene.address.layer or scene.capture is None:
        return scene
    run = scene.capture
    return scene.at_layer(_worst(str(scene.store.cache), run.run_id, run.header.finished, scene.address.component))


@st.cache_data(max_entries=32, show_spinner=False)
def _worst(cache: str, run_id: str, stamp: str | None, component: str | None) -> str | None:
    run = RunStore(cache).open(run_id)
    ranked = worst_layers(run, Selection(component=component), "max_median_ratio", count=10_000)["layer"].drop_duplicates()
    kept = set(layers_with_histograms(run))
    return next((layer for layer in ranked if not kept or layer in kept), None)
