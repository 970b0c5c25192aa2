"""Frames and figures of runs, read and drawn once and kept for all visitors: keyed by all that they are made of.

A view may look beyond the runs that it is asked of, at the full-precision run or at measured allocations say; so the state of the
whole cache of runs is in its key, beside the runs and only those filters that it takes.
"""

from dataclasses import replace

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from morphoquant.core.selection import Selection, narrow
from morphoquant.queries.inputs import layer_inputs
from morphoquant.store.run_store import Run, RunStore
from morphoquant.ui.session import Glance
from morphoquant.views.base import VIEWS

_KEPT = 96
_HASHED = {Selection: repr}


def view_frame(store: Glance, view: str, runs: list[Run], selection: Selection) -> pd.DataFrame:
    """The answer of `view`; see `View.query` for what it raises. Filters that it does not take cost no second reading."""
    frame = _view_frame(store, runs, _key(store, runs), view, narrow(selection, VIEWS[view].takes))
    return frame.copy(deep=False)  # shares its values until it is written to


def view_figure(store: Glance, view: str, runs: list[Run], selection: Selection) -> go.Figure:
    """The figure of that answer. All who look at it share it, so that nobody may change it."""
    return _view_figure(store, runs, _key(store, runs), view, narrow(selection, VIEWS[view].takes | VIEWS[view].rings))


def run_table(store: RunStore, run: Run, table: str) -> pd.DataFrame:
    """A small table of one run ("layers" or "tokens")."""
    return _run_table(str(store.cache), run.run_id, run.header.finished, table)


def every_input(store: RunStore, capture: Run) -> pd.DataFrame:
    """`layer_inputs` of a capture: one reading for the head of the overview and its findings."""
    return _every_input(str(store.cache), capture.run_id, capture.header.finished)


def _key(store: Glance, runs: list[Run]) -> tuple[str, ...]:
    return str(store.cache), store.state, *(run.run_id for run in runs)


@st.cache_resource(max_entries=_KEPT, show_spinner="Reading the run", hash_funcs=_HASHED)
def _view_frame(_store: Glance, _runs: list[Run], key: tuple[str, ...], view: str, selection: Selection) -> pd.DataFrame:
    return VIEWS[view].query(_store, _runs, selection)


@st.cache_resource(max_entries=_KEPT, show_spinner=False, hash_funcs=_HASHED)
def _view_figure(_store: Glance, _runs: list[Run], key: tuple[str, ...], view: str, selection: Selection) -> go.Figure:
    return VIEWS[view].draw(view_frame(_store, view, _runs, selection), selection)


@st.cache_data(max_entries=8, show_spinner="Reading the run")
def _every_input(cache: str, run_id: str, stamp: str | None) -> pd.DataFrame:
    return layer_inputs(RunStore(cache).open(run_id))


@st.cache_data(max_entries=_KEPT, show_spinner=False)
def _run_table(cache: str, run_id: str, stamp: str | None, table: str) -> pd.DataFrame:
    return RunStore(cache).open(run_id).frame(table)


def with_fields(selection: Selection, **changed) -> Selection:
    """`selection` with other fields."""
    return replace(selection, **changed)
