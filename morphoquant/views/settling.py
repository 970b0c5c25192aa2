"""View: how ranges settle with the number of samples."""

from morphoquant.figures.settling_lines import settling_lines
from morphoquant.queries.settling import settling
from morphoquant.queries.sources import capture_of
from morphoquant.views.base import VIEWS, View

VIEWS.add(
    "settling",
    View(
        name="settling",
        title="Ranges over samples",
        question="Is the calibration set enough, or do the ranges of a modality still rise?",
        how_to_read="A line that has come close to 100 % long before its end has settled. The end is 100 % by definition: look "
        "at what the second half of the samples added. The band holds eight tenths of the inputs; samples in the order captured.",
        takes=frozenset({"component", "role", "modalities", "positions"}),
        runs="capture",
        query=lambda store, runs, selection: settling(capture_of(store, runs), selection),
        draw=lambda frame, selection: settling_lines(frame),
    ),
)
