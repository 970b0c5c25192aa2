"""What a page looks at while the user has chosen nothing: an input with strong outliers that the run can show in full."""

import streamlit as st

from morphoquant.core.selection import Selection
from morphoquant.queries.histograms import layers_with_histograms
from morphoquant.queries.standing_out import standing_out
from morphoquant.queries.worst import worst_layer
from morphoquant.store.run_store import RunStore
from morphoquant.ui import frames
from morphoquant.ui.page import Scene


def at_some_layer(scene: Scene) -> Scene:
    """The scene with the input of its capture whose widest channel stands out most, where no layer is chosen."""
    if scene.address.layer or scene.capture is None:
        return scene
    run, component = scene.capture, scene.address.component
    kept = _with_histograms(str(scene.store.cache), run.run_id, run.header.finished)
    # The overview's main chart has been read already: no second reading for what it shows.
    ranked = frames.view_frame(scene.store, "worst_layers", [run], Selection(component=component))["layer"].drop_duplicates()
    found = next((layer for layer in ranked if layer in kept or not kept), None)
    return scene.at_layer(found or worst_layer(run, Selection(component=component), with_histogram=bool(kept)))


def at_standing_out(scene: Scene) -> Scene:
    """The scene with the input whose single tokens stand out most, where no layer is chosen; of a capture that keeps no tokens
    as `at_some_layer`.
    """
    if scene.address.layer or scene.capture is None:
        return scene
    run, selection = scene.capture, Selection(component=scene.address.component, modalities=scene.address.modalities)
    found = _standing_out(str(scene.store.cache), run.run_id, run.header.finished, selection)
    return scene.at_layer(found) if found else at_some_layer(scene)


@st.cache_data(max_entries=32, show_spinner=False)
def _with_histograms(cache: str, run_id: str, stamp: str | None) -> frozenset[str]:
    return frozenset(layers_with_histograms(RunStore(cache).open(run_id)))


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs={Selection: repr})
def _standing_out(cache: str, run_id: str, stamp: str | None, selection: Selection) -> str | None:
    store = RunStore(cache)
    return standing_out(store.open(run_id), selection, lambda run: frames.every_input(store, run))
