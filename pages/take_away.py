"""Take away: the bundle of figures and tables for a paper, the report of one run, and its recipe."""

import streamlit as st

from morphoquant.ui import session
from morphoquant.ui.page import sentences, title
from morphoquant.ui.recipe import recipe_made
from morphoquant.ui.take_away import bundle_made, figures_kept, report_made, tables_chosen

title("What do you take away?")
with sentences():
    store, address = session.store(), session.address()
    st.markdown("**A bundle for a paper**")
    st.caption(
        "One zip: figures as PDF in the width of a column, tables as LaTeX, the data of both as CSV, a LaTeX file that compiles "
        "with them, and a note on where every number comes from."
    )
    figures_kept(store)
    bundle_made(store, tables_chosen(store))
    st.divider()
    st.markdown("**A report of one run**")
    st.caption("One HTML file with the main numbers, tables and figures, for someone without Python: it opens without a network.")
    report_made(store)
    st.divider()
    st.markdown("**A recipe for llm-compressor**")
    st.caption(
        "Method, bits and exclusions of a run as a YAML file that llm-compressor reads. It calibrates anew; what it does "
        "otherwise is said, and a run that it has no counterpart for is refused. The list of exclusions is of any run."
    )
    recipe_made(store)
session.go(address)
