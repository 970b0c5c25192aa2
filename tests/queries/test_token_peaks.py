"""The largest value of each kept token, read from a real run folder."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
from fixtures.small_runs import CAPTURE

from morphoquant.queries.token_peaks import token_peaks
from morphoquant.store.run_store import RunStore
from morphoquant.store.schema import TABLES


def _row(group: str, modality: str, position: str, values: list[float]) -> dict:
    return {"group": group, "modality": modality, "position": position, "priority": len(values), "values": values}


def test_peaks_are_the_largest_finite_magnitudes_of_the_tokens_that_are_not_first(tmp_path):
    rows = [
        _row("a", "text", "rest", [1.0, -3.0, 2.0]),
        _row("a", "audio", "rest", [0.5, np.nan, -np.inf]),
        _row("a", "text", "first", [99.0, 0.0, 0.0]),
        _row("a", "text", "rest", [np.nan, np.nan, np.nan]),
        _row("b", "text", "rest", [7.0, -8.0]),
        _row("c", "text", "rest", [5.0]),
    ]
    store = RunStore(tmp_path)
    with store.writer(replace(CAPTURE, seed=3)) as writer:
        writer.finish({"token_sample": [pa.Table.from_pylist(rows, schema=TABLES["token_sample"])]}, {})
    run = store.open(replace(CAPTURE, seed=3).run_id)
    found = token_peaks(run, ["a", "b"])
    assert found[["layer", "modality"]].values.tolist() == [["a", "text"], ["a", "audio"], ["a", "text"], ["b", "text"]]
    assert np.array_equal(found["peak"].astype(float), [3.0, 0.5, np.nan, 8.0], equal_nan=True)
    assert token_peaks(run, ["nowhere"]).empty and token_peaks(run, []).empty


def test_a_capture_without_kept_tokens_has_no_peaks(small_runs):
    assert token_peaks(small_runs.capture, ["a"]).empty
