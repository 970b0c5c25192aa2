"""Published: what papers report, with where it comes from and what is odd about it; our own runs apart from it, below."""

import streamlit as st

from morphoquant.ui import published_table, session
from morphoquant.ui.headline import headline
from morphoquant.ui.measured_here import show_measured
from morphoquant.ui.page import link, sentences, title

title("What do the papers report, and how far can it be trusted?")
with sentences():
    store, address = session.store(), session.address()
    table = published_table.choose_table(address)
    st.caption("Facts and figures of other people, transcribed cell by cell as printed. None of them was measured here.")
    headline(published_table.table_figures(table))
    published_table.show_table(table)
    published_table.show_figure(table, store)
    published_table.show_remarks(table)
    published_table.show_spread(table)
    published_table.show_claims()
    show_measured(table, store)
link(address)
session.go(address)
