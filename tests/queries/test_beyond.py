"""Values beyond the calibration data: counted only where the grid holds all that was seen."""

import pandas as pd

from morphoquant.core.selection import Selection
from morphoquant.queries.beyond import beyond, beyond_seen
from morphoquant.queries.errors import error_sums

USE = pd.DataFrame(
    [("g", "audio", 0, 100, 3, 6.0, 1.0), ("g", "audio", 1, 100, 5, 9.0, 1.0), ("g", "audio", 2, 100, 0, 0.0, 3.0)],
    columns=["group", "modality", "channel", "count", "clipped", "clip_sq", "round_sq"],
)
SEEN = pd.DataFrame(
    [("g", 0, -1.0, 2.0), ("g", 1, -1.0, 2.0), ("g", 2, 0.0, 1.0)], columns=["group", "channel", "seen_min", "seen_max"]
)


def _grids(high: float) -> pd.DataFrame:
    rows = [("g", 0, -1.0, 2.0, 0.2), ("g", 1, -1.0, high, 0.2), ("g", 2, -1.0, 1.0, 0.2)]
    return pd.DataFrame(rows, columns=["group", "channel", "low", "high", "step"])


def test_a_narrowed_grid_clips_what_was_seen_too():
    (row,) = beyond(USE, _grids(1.5), SEEN).to_dict("records")
    assert (row["layer"], row["modality"], row["values"], row["error_sq"]) == ("g", "audio", 300, 20.0)
    assert (row["beyond"], row["channels"], row["channel"], row["beyond_sq"]) == (3, 1, 0, 6.0)


def test_half_a_step_beyond_the_edge_is_not_clipped():
    (row,) = beyond(USE, _grids(1.95), SEEN).to_dict("records")
    assert (row["beyond"], row["channels"], row["channel"], row["beyond_sq"]) == (8, 2, 1, 15.0)


def test_on_the_calibration_data_itself_nothing_is_beyond(small_runs):
    names = list(error_sums(small_runs.rtn4, Selection(), "input")["layer"].unique())
    for run in (small_runs.rtn4, small_runs.searched):
        frame = beyond_seen(run, small_runs.capture, names)
        assert len(frame) and (frame["beyond"] == 0).all()
    assert beyond_seen(small_runs.dynamic, small_runs.capture, names).empty
    assert beyond_seen(small_runs.rtn4, small_runs.capture, []).empty
