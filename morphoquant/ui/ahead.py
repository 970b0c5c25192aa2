"""What pages need is read and loaded while the first page is looked at, so that the next ones do not wait for it.

A server that `dashboard` started has idle seconds after its first page. In them it reads what pages on all layers are made of,
draws a figure of each view once, and imports and compiles the engine of predictions, which takes seconds otherwise.
"""

import os
import threading
import time
from contextlib import suppress
from pathlib import Path

import streamlit as st

from morphoquant.core.errors import MorphoQuantError
from morphoquant.core.selection import Selection
from morphoquant.core.what_if import WhatIf
from morphoquant.queries.histograms import layers_with_histograms
from morphoquant.queries.input_measures import selected
from morphoquant.queries.layers import all_layers
from morphoquant.queries.what_if import predict
from morphoquant.queries.what_if_inputs import layer_inputs
from morphoquant.store.run_store import RunStore
from morphoquant.takeaway.choose import newest
from morphoquant.ui.session import runs_at
from morphoquant.views.base import VIEWS

WANTED = "MORPHOQUANT_AHEAD"
_PAUSE = 2.0  # seconds that the first page has for itself
# Behind a switch of their page, as they read histograms of many inputs, or run the engine.
_ASKED_FOR = ("predicted_sqnr", "code_entropy", "range_ridges")


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
    """Reads and draws what pages begin with, then loads the engine; see `load_engine`, whose answer this is."""
    store = RunStore(cache)
    read(store)
    return load_engine(store)


def read(store: RunStore) -> None:
    """Asks every view that needs no engine about the runs that its page begins with, and draws the answer.

    Answers are kept by the queries that gave them, and drawing imports what draws. What cannot be answered, its page says.
    """
    with suppress(MorphoQuantError):  # what a menu of measures offers besides, of all inputs at once
        selected(*newest(store, VIEWS["depth_profile"]), Selection(), moments=True)
    for name, view in VIEWS.items():
        if "what_if" not in view.takes and name not in _ASKED_FOR:
            with suppress(MorphoQuantError):
                view.draw(view.query(store, newest(store, view), Selection()), Selection()).to_json()


def load_engine(store: RunStore) -> str | None:
    """Predicts the narrowest input whose histograms are kept, which imports and compiles what predictions need.

    Returns:
        The layer, absent where no finished capture keeps a histogram or the one that does is damaged, which the page of that
        run then says.
    """
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
