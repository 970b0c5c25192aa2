"""New run: starts a job in its own process, shows its progress and log, cancels it."""

import streamlit as st

from morphoquant.ui.new_run import job_form, job_list
from morphoquant.ui.page import sentences

st.title("What shall be run next?", anchor=False)
with sentences():
    job_form()
    job_list()
