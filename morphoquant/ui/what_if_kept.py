"""Histograms that stay in memory while sliders move: read once for each layer, and once for the model."""

import streamlit as st

from morphoquant.core.selection import Selection
from morphoquant.core.what_if import WhatIf
from morphoquant.queries.what_if import Prediction, predict
from morphoquant.queries.what_if_inputs import WhatIfInputs, layer_inputs, model_inputs
from morphoquant.queries.what_if_tokens import KeptTokens, kept_tokens
from morphoquant.store.run_store import RunStore
from morphoquant.ui.layer_figures import group_of
from morphoquant.ui.page import Scene


def predicted(scene: Scene) -> Prediction:
    """What the chosen settings do to the chosen layer.

    Raises:
        StoreError: the capture keeps no histogram of the layer.
        SpecError: the settings do not go together, or need whole tokens.
    """
    run = scene.capture
    stamp = str(scene.store.cache), run.run_id, run.header.finished
    return predict(_layer(*stamp, group_of(scene, scene.address.layer)), scene.address.what_if)


def kept(scene: Scene) -> KeptTokens:
    """The tokens of the chosen layer that the capture keeps.

    Raises:
        StoreError: none.
    """
    run = scene.capture
    return _tokens(str(scene.store.cache), run.run_id, run.header.finished, group_of(scene, scene.address.layer))


def predicted_everywhere(scene: Scene) -> Prediction:
    """What they do to every layer of the chosen part whose histograms are kept.

    Raises:
        StoreError: there are none, or too many.
        SpecError: as above.
    """
    run = scene.capture
    stamp = str(scene.store.cache), run.run_id, run.header.finished
    return predict(_model(*stamp, scene.address.component), scene.address.what_if)


@st.cache_resource(max_entries=8, show_spinner="Reading the histograms of this layer")
def _layer(cache: str, run_id: str, stamp: str | None, group: str) -> WhatIfInputs:
    inputs = layer_inputs(RunStore(cache).open(run_id), group)
    # Loops that were never run here are compiled now, while the page says that it is busy, not when a slider moves.
    for settings in (WhatIf(), WhatIf(search=True)):
        predict(inputs, settings)
    return inputs


@st.cache_resource(max_entries=4, show_spinner="Reading the kept tokens of this layer")
def _tokens(cache: str, run_id: str, stamp: str | None, group: str) -> KeptTokens:
    return kept_tokens(RunStore(cache).open(run_id), group)


@st.cache_resource(max_entries=1, show_spinner="Reading the histograms of all layers, once")
def _model(cache: str, run_id: str, stamp: str | None, component: str | None) -> WhatIfInputs:
    return model_inputs(RunStore(cache).open(run_id), Selection(component=component))
