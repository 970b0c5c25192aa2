"""The engine is loaded while the first page is looked at, so that the first What if does not wait for it.

Looking at runs needs no engine, and pages load none but where a prediction is shown. A server that `dashboard` started has idle
seconds after its first page, and imports and compiles in them what takes seconds otherwise.
"""

import os
import threading
import time
from contextlib import suppress
from pathlib import Path

import streamlit as st

from morphoquant.core.errors import MorphoQuantError
from morphoquant.core.what_if import WhatIf
from morphoquant.queries.histograms import layers_with_histograms
from morphoquant.queries.layers import all_layers
from morphoquant.queries.what_if import predict
from morphoquant.queries.what_if_inputs import layer_inputs
from morphoquant.store.run_store import RunStore
from morphoquant.ui.session import runs_at

WANTED = "MORPHOQUANT_AHEAD"
_PAUSE = 2.0  # seconds that the first page has for itself


def load_ahead() -> None:
    """Starts loading, once a server, where the server was asked to."""
    if os.environ.get(WANTED) == "1":
        _start(runs_at())


@st.cache_resource(show_spinner=False)
def _start(cache: str) -> threading.Thread:
    thread = threading.Thread(target=_load_later, args=(cache,), name="morphoquant-ahead", daemon=True)
    thread.start()
    return thread


def _load_later(cache: str) -> None:
    time.sleep(_PAUSE)
    # Where runs cannot be reached, every page says so.
    with suppress(MorphoQuantError):
        load(cache)


def load(cache: Path | str) -> str | None:
    """Predicts the narrowest input whose histograms are kept, which imports and compiles what predictions need.

    Returns:
        The layer, absent where no finished capture keeps a histogram or the one that does is damaged, which the page of that
        run then says.
    """
    store = RunStore(cache)
    for entry in store.entries():
        if entry.header and entry.header.status == "finished" and "histograms" in entry.header.tables:
            try:
                run = store.open(entry.run_id)
                layers = all_layers(run)
                layers = layers[layers["layer"].isin(layers_with_histograms(run))]
                layer = str(layers.loc[layers["in_features"].idxmin(), "layer"])
                inputs = layer_inputs(run, layer)
                for settings in (WhatIf(), WhatIf(search=True)):
                    predict(inputs, settings)
            except MorphoQuantError:
                return None
            return layer
    return None
