"""What is asked of inspect runs: propagation, attention and hidden states."""

from dataclasses import replace

import numpy as np
import pytest
from fixtures.answer_runs import write_run
from fixtures.inside_runs import BLOCKS, PLAN

from morphoquant.core.errors import CompareError, StoreError, UnknownNameError
from morphoquant.core.modality import Modality, Position
from morphoquant.core.selection import Selection
from morphoquant.queries.attention import attention_boundary, attention_choices, attention_pair
from morphoquant.queries.hidden import FULL, hidden_states
from morphoquant.queries.propagation import last_blocks, propagation

BOTH = Selection(positions=tuple(Position))


def test_propagation_pools_powers_and_puts_parts_in_the_order_of_the_forward(inside_runs):
    frame = propagation([inside_runs.rough, inside_runs.fine], BOTH)
    assert list(dict.fromkeys(frame["label_run"])) == ["rtn w4a4", "morphoquant w4a4"]
    assert list(dict.fromkeys(frame["component"])) == ["vision", "connector", "language"]
    assert list(dict.fromkeys(frame["label"]))[:4] == ["vision 0", "vision 1", "connector projector", "language 0"]
    rows = inside_runs.rough.frame("propagation", where={"source": "accumulated", "modality": "audio", "block": 3})
    own = frame[(frame["label"] == "language 3") & (frame["source"] == "accumulated") & (frame["modality"] == "audio")]
    wanted = 10 * np.log10(rows["signal_sq"].sum() / rows["error_sq"].sum())
    assert own["sqnr_db"].iat[0] == pytest.approx(wanted) and own["tokens"].iat[0] == rows["tokens"].sum()
    assert own["nmse"].iat[0] == pytest.approx(10 ** (-wanted / 10)) and own["cosine"].iat[0] == pytest.approx(0.9)
    ends = last_blocks(frame)
    assert set(ends["behind"]) == {"vision 1", "connector projector", f"language {BLOCKS - 1}"} and len(ends) == 2 * 2 * 3


def test_propagation_takes_part_modality_and_position(inside_runs):
    some = Selection(component="language", modalities=(Modality.AUDIO,))
    frame = propagation([inside_runs.fine], some)
    assert set(frame["component"]) == {"language"} and set(frame["modality"]) == {"audio"} and set(frame["tokens"]) == {40}
    with pytest.raises(StoreError, match="no block for the selection"):
        propagation([inside_runs.fine], Selection(component="head"))


def test_a_pair_of_maps_is_that_of_the_table(inside_runs):
    run = inside_runs.rough
    frame = attention_pair(run, Selection())
    choices = attention_choices(run)
    means = choices[(choices["sample"] == 1) & choices["head"].isna()]
    assert frame["sample"].iat[0] == 1 and frame["moved"].iat[0] == means["moved"].max()
    assert set(frame["query_modality"]) == {"text", "image", "audio"}
    assert (frame["key"] <= frame["query_end"]).all() and frame["full"].max() <= 1
    head = int(choices["head"].dropna().iloc[0])
    other = attention_pair(run, Selection(sample=0, block=0, head=head))
    row = run.frame("attention", where={"sample": 0, "block": 0})
    row = row[row["head"] == head].iloc[0]
    cell = other[(other["query"] == row["cells"][5]) & (other["key"] == row["cells"][2])].iloc[0]
    place = 5 * len(row["cells"]) + 2
    assert [cell["full"], cell["quantised"], cell["change"]] == [row[name][place] for name in ("full", "quantised", "change")]
    assert cell["quantised"] - cell["full"] == pytest.approx(cell["change"], abs=0.01)


def test_what_a_run_does_not_hold_is_one_sentence(inside_runs, small_runs, tmp_path):
    run = inside_runs.rough
    for kind, selection in (
        ("sample", Selection(sample=9)),
        ("block", Selection(block=2)),
        ("head", Selection(block=0, sample=0, head=77)),
    ):
        with pytest.raises(UnknownNameError, match=f"unknown {kind}"):
            attention_pair(run, selection)
    with pytest.raises(UnknownNameError, match="unknown block '2'"):
        hidden_states([run], Selection(block=2))
    with pytest.raises(StoreError, match="does not look inside"):
        propagation([small_runs.rtn4], Selection())
    blind = write_run(type(inside_runs.store)(tmp_path), PLAN, tokens=run.table("tokens").to_pylist())
    with pytest.raises(StoreError, match="holds no attention"):
        attention_boundary([blind], Selection())


def test_attention_near_boundaries_is_pooled_over_blocks(inside_runs):
    rows = inside_runs.rough.frame("attention_distance", where={"modality": "audio", "distance": 2})
    own = attention_boundary([inside_runs.rough], Selection())
    own = own[(own["modality"] == "audio") & (own["distance"] == 2)].iloc[0]
    assert own["moved"] == pytest.approx(rows["moved"].sum() / rows["rows"].sum()) and own["distance_to"] == 3
    assert own["other"] == pytest.approx((rows["other_quantised"].sum() - rows["other_full"].sum()) / rows["rows"].sum())
    one = attention_boundary([inside_runs.rough, inside_runs.fine], Selection(block=0, modalities=(Modality.TEXT,)))
    assert set(one["modality"]) == {"text"} and one.groupby("label_run", sort=False)["moved"].mean().is_monotonic_decreasing


def test_hidden_states_of_all_runs_stand_on_the_axes_of_full_precision(inside_runs):
    frame = hidden_states([inside_runs.rough, inside_runs.fine], Selection(block=3))
    assert list(dict.fromkeys(frame["label_run"])) == [FULL, "rtn w4a4", "morphoquant w4a4"]
    axes = ["axis_1", "axis_2", "axis_3"]
    full, rough, fine = (part[axes].to_numpy() for _, part in frame.groupby("label_run", sort=False))
    assert np.linalg.norm(rough - full) > 2 * np.linalg.norm(fine - full) > 0
    assert frame["share_1"].iat[0] > frame["share_2"].iat[0] > 0


def test_runs_whose_full_precision_differs_are_refused(inside_runs, tmp_path):
    run = inside_runs.fine
    tables = {name: run.table(name).to_pylist() for name in run.header.tables}
    for row in tables["hidden_states"]:
        row["full"] = [value + 1 for value in row["full"]]
    moved = write_run(type(inside_runs.store)(tmp_path), replace(PLAN, method="dabc"), **tables)
    with pytest.raises(CompareError, match="full precision differs"):
        hidden_states([inside_runs.rough, moved], Selection())
    other = write_run(type(inside_runs.store)(tmp_path), replace(PLAN, seed=3), **tables)
    with pytest.raises(CompareError, match="differ in seed"):
        propagation([inside_runs.rough, other], Selection())
