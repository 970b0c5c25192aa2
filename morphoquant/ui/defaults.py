"""What a page looks at while the user has chosen nothing: the input with the strongest outliers that the run can show in full."""

import streamlit as st

from morphoquant.core.selection import Selection
from morphoquant.queries.histograms import layers_with_histograms
from morphoquant.queries.worst import worst_layer
from morphoquant.store.run_store import RunStore
from morphoquant.ui import frames
from morphoquant.ui.page import Scene


def at_some_layer(scene: Scene) -> Scene:
    """The scene with the default layer of its capture where none is chosen."""
    if scene.address.layer or scene.capture is None:
        return scene
    run, component = scene.capture, scene.address.component
    kept = _with_histograms(str(scene.store.cache), run.run_id, run.header.finished)
    # The overview's main chart has been read already: no second reading for what it shows.
    ranked = frames.view_frame(scene.store, "worst_layers", [run], Selection(component=component))["layer"].drop_duplicates()
    found = next((layer for layer in ranked if layer in kept or not kept), None)
    return scene.at_layer(found or worst_layer(run, Selection(component=component), with_histogram=bool(kept)))


@st.cache_data(max_entries=32, show_spinner=False)
def _with_histograms(cache: str, run_id: str, stamp: str | None) -> frozenset[str]:
    return frozenset(layers_with_histograms(RunStore(cache).open(run_id)))
