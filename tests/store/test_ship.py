import numpy as np
import pytest

from morphoquant.core.errors import StoreError
from morphoquant.store.run_store import RunStore
from morphoquant.store.ship import ship

GROUP = "model.language_model.layers.1.mlp.down_proj"


def test_small_copy_keeps_errors_and_extremes_exactly_and_says_what_it_left_out(small_runs, tmp_path):
    store = RunStore(tmp_path)
    for entry in small_runs.store.entries():
        whole = small_runs.store.open(entry.run_id)
        folder = ship(whole, store.roots[1], {GROUP})
        copy = store.open(entry.run_id)
        assert copy.folder == folder and copy.header.stored and "1 layer inputs" in copy.header.summary["shipped"]
        assert not copy.has("token_sample")
        for name in copy.header.tables:
            where = {"group": GROUP} if name in ("histograms", "grids", "grid_use") else None
            one, other = whole.frame(name, where=where), copy.frame(name)
            assert len(one) == len(other)
            for column in one.columns:
                if one[column].dtype == np.float64:
                    assert other[column].to_numpy() == pytest.approx(one[column].to_numpy(), rel=2e-5, nan_ok=True)
                else:
                    assert one[column].map(repr).equals(other[column].map(repr)), (name, column)


def test_shipped_run_does_not_answer_for_a_plan_and_is_not_removed(small_runs, tmp_path):
    store, run = RunStore(tmp_path), small_runs.store.open(small_runs.store.entries()[0].run_id)
    ship(run, store.roots[1], {GROUP})
    assert store.finished(run.plan) is None
    with pytest.raises(StoreError, match="shipped with the project"):
        store.delete(run.run_id)
