"""One pass over the statistics says the same of every input as the queries that look at one thing."""

import numpy as np
import pytest

from morphoquant.core.modality import POSITIONS, Position
from morphoquant.core.selection import Selection
from morphoquant.queries.depth import depth_profile
from morphoquant.queries.inputs import layer_inputs


@pytest.mark.parametrize("position", POSITIONS)
def test_widest_and_median_channel_are_those_of_the_depth_profile(small_runs, position):
    found = layer_inputs(small_runs.capture)
    found = found[found["position"] == str(position)].set_index(["layer", "modality"])
    chosen = Selection(positions=(position,))
    for measure in ("absmax", "max_median_ratio"):
        frame = depth_profile(small_runs.capture, chosen, measure).set_index(["layer", "modality"])
        value = found["absmax"] if measure == "absmax" else found["absmax"] / found["median_absmax"]
        assert value.reindex(frame.index).to_list() == pytest.approx(frame["value"].to_list())
        assert found["channel"].reindex(frame.index).to_list() == frame["channel"].to_list()
        assert found["tokens"].reindex(frame.index).to_list() == frame["tokens"].to_list()
        assert len(found) == len(frame)


def test_every_row_is_a_sum_over_the_table(small_runs):
    table = small_runs.capture.frame("channel_stats")
    keys = ["group", "modality", "position"]
    found = layer_inputs(small_runs.capture)
    assert len(found) == len(table[keys].drop_duplicates())
    widths = table.groupby(keys)["channel"].size()
    assert found.set_index(["layer", "modality", "position"])["width"].to_dict() == widths.to_dict()
    assert (found["not_finite"] == 0).all() and np.isfinite(found["absmax"]).all()
    assert set(found["position"]) == {str(Position.FIRST), str(Position.REST)}
