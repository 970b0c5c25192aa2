"""New run: starts a job in its own process, shows its progress and log, cancels it."""

from morphoquant.ui.new_run import job_form, job_list
from morphoquant.ui.page import sentences, title

title("What shall be run next?")
with sentences():
    job_form()
    job_list()
