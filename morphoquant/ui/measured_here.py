"""Our own runs of the methods of a published table: under a heading of their own, in tables of their own."""

import pandas as pd
import streamlit as st

from morphoquant.core.errors import MorphoQuantError
from morphoquant.core.selection import Selection
from morphoquant.data.published.tables import PublishedTable
from morphoquant.queries.accuracy import rows_in_words
from morphoquant.queries.compare_table import compare_table
from morphoquant.queries.measured import measured
from morphoquant.queries.published import published
from morphoquant.store.run_store import Run, RunStore
from morphoquant.ui import frames
from morphoquant.ui.error_figures import SIMULATED
from morphoquant.ui.notes import note, plain
from morphoquant.ui.tables import table_panel


def show_measured(table: PublishedTable, store: RunStore) -> None:
    """The measured runs with a method and bits of `table`, and why they are no column of it."""
    st.header("Measured here", anchor=False, divider="gray")
    found = measured(store.entries(), published(table=table.name))
    if not (found.quantize or found.evaluate):
        note(
            "No finished run in this cache has a method and bits of this table. Runs that are made with one, on the New run page "
            "or with quantize and evaluate, are shown here."
        )
        return
    models = ", ".join(dict.fromkeys(row.model for row in table.rows if row.model)) or "a model that is not told"
    st.markdown(
        f"The same methods at the same bits, run by this program. Model, data and protocol are others than those of the table "
        f"above, which is of {plain(models)}: **the two must not be compared cell by cell**."
    )
    st.caption(SIMULATED)
    _part("Output SQNR by modality, layers pooled", store, found.quantize, _errors, "measured-errors", table)
    _part("Right answers by subject", store, found.evaluate, _answers, "measured-answers", table)


def _part(title: str, store: RunStore, run_ids: tuple[str, ...], read, key: str, table: PublishedTable) -> None:
    if not run_ids:
        return
    with st.container(border=True):
        st.markdown(f"**{title}**")
        try:
            runs = [store.open(run_id) for run_id in run_ids]
            table_panel(read(store, runs), f"{key}-{table.name}", key)
            st.caption(plain(_made_of(runs)))
        except MorphoQuantError as error:
            note(plain(error))


def _errors(store: RunStore, runs: list[Run]) -> pd.DataFrame:
    return compare_table(frames.view_frame(store, "compare_methods", runs, Selection()))


def _answers(store: RunStore, runs: list[Run]) -> pd.DataFrame:
    return rows_in_words(frames.view_frame(store, "accuracy", runs, Selection(measure="accuracy")))


def _made_of(runs: list[Run]) -> str:
    """Model and data of the runs in one line."""
    plan = runs[-1].plan
    asked = f"{plan.data.get('id', 'data')}, {plan.data.get('samples', '?')} samples"
    return f"Measured on the model {plan.model.get('id', 'without a name')}, data: {asked}; runs of this cache: {len(runs)}."
