"""Frames and facts of runs, read once and kept: keyed by the view, the runs and only those filters that the view takes."""

from dataclasses import replace

import pandas as pd
import streamlit as st

from morphoquant.core.selection import Selection, narrow
from morphoquant.queries.inputs import layer_inputs
from morphoquant.store.run_store import Run, RunStore
from morphoquant.views.base import VIEWS

_KEPT = 96


def view_frame(store: RunStore, view: str, runs: list[Run], selection: Selection) -> pd.DataFrame:
    """The answer of `view`; see `View.query` for what it raises. Filters that it does not take cost no second reading."""
    return _view_frame(str(store.cache), view, _stamps(runs), narrow(selection, VIEWS[view].takes))


def run_table(store: RunStore, run: Run, table: str) -> pd.DataFrame:
    """A small table of one run ("layers" or "tokens")."""
    return _run_table(str(store.cache), *_stamps([run])[0], table)


def every_input(store: RunStore, capture: Run) -> pd.DataFrame:
    """`layer_inputs` of a capture: one reading for the head of the overview and its findings."""
    return _every_input(str(store.cache), *_stamps([capture])[0])


def _stamps(runs: list[Run]) -> tuple[tuple[str, str | None], ...]:
    # A run that is written anew under the same identifier has another time of its end.
    return tuple((run.run_id, run.header.finished) for run in runs)


@st.cache_data(max_entries=_KEPT, show_spinner="Reading the run", hash_funcs={Selection: repr})
def _view_frame(cache: str, view: str, stamps: tuple[tuple[str, str | None], ...], selection: Selection) -> pd.DataFrame:
    store = RunStore(cache)
    return VIEWS[view].query(store, [store.open(run_id) for run_id, _ in stamps], selection)


@st.cache_data(max_entries=8, show_spinner="Reading the run")
def _every_input(cache: str, run_id: str, stamp: str | None) -> pd.DataFrame:
    return layer_inputs(RunStore(cache).open(run_id))


@st.cache_data(max_entries=_KEPT, show_spinner=False)
def _run_table(cache: str, run_id: str, stamp: str | None, table: str) -> pd.DataFrame:
    return RunStore(cache).open(run_id).frame(table)


def with_fields(selection: Selection, **changed) -> Selection:
    """`selection` with other fields."""
    return replace(selection, **changed)
