"""Cost beside error."""

import pandas as pd

from morphoquant.queries.compare_cost import BITS, COLUMNS, compare_cost


def test_runs_that_do_not_say_their_cost_have_nulls(small_runs):
    frame = compare_cost(small_runs.quantized)
    assert frame["run_id"].tolist() == [run.run_id for run in small_runs.quantized]
    assert frame["method"].tolist()[-1] == "morphoquant" and frame["spec"].tolist() == ["w4a4", "w8a8", "w4a4"]
    assert frame.pop(BITS).tolist() == [4, 8, 4] and frame.columns.isin(COLUMNS).sum() == len(COLUMNS) - 1
    assert frame[frame.columns[frame.columns.isin(COLUMNS)]].isna().all(axis=None)


def test_costs_are_those_of_the_run(small_runs, monkeypatch):
    run = small_runs.rtn4
    cost = {"calibration_seconds": 1.25, "extra_macs_percent": 3.5, "extra_bytes": 2000, "deployable": False}
    monkeypatch.setitem(run.header.summary, "cost", cost)
    (row,) = compare_cost([run]).to_dict("records")
    assert [row[name] for name in COLUMNS] == [1.25, 3.5, 4.0, 2.0, "simulated"]
    monkeypatch.setitem(run.header.summary, "cost", cost | {"deployable": True})
    frame = compare_cost([run, small_runs.searched])
    assert frame["products"][0] == "deployable" and pd.isna(frame["products"][1])
