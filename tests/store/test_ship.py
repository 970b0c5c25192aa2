import numpy as np
import pytest
from fixtures.other_captures import every_second_token, recaptured

from morphoquant.cli import main
from morphoquant.core.errors import StoreError
from morphoquant.store.header import RunHeader
from morphoquant.store.run import Run
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
                    assert other[column].to_numpy() == pytest.approx(one[column].to_numpy(), rel=2.5e-4, nan_ok=True)
                else:
                    assert one[column].map(repr).equals(other[column].map(repr)), (name, column)


def test_shipped_run_does_not_answer_for_a_plan_and_is_not_removed(small_runs, tmp_path):
    store, run = RunStore(tmp_path), small_runs.store.open(small_runs.store.entries()[0].run_id)
    ship(run, store.roots[1], {GROUP})
    assert store.finished(run.plan) is None
    with pytest.raises(StoreError, match="shipped with the project"):
        store.delete(run.run_id)


def test_few_tokens_are_shipped_to_look_at_and_for_no_method(small_runs, tmp_path, capsys):
    kept = every_second_token(GROUP)
    whole = recaptured(small_runs, tmp_path, token_sample=kept)
    words = ["runs", "--ship", whole.run_id, "--keep", GROUP, "--cache", str(tmp_path)]
    assert main([*words, "--tokens", "3"]) == 0
    folder = tmp_path / "stored" / whole.run_id
    copy = Run(folder, RunHeader.read(folder))
    assert not copy.has("token_sample") and "at most 3 tokens" in copy.header.summary["shipped"]
    shown = copy.frame("shown_tokens")
    for (modality, position), part in shown.groupby(["modality", "position"]):
        own = [row for row in kept if (row["modality"], row["position"]) == (modality, position)]
        first = sorted(own, key=lambda row: row["priority"])[:3]
        assert sorted(part["priority"]) == [row["priority"] for row in first]
        for row in first:
            found = part.loc[part["priority"] == row["priority"], "values"].iat[0]
            np.testing.assert_allclose(found, row["values"], rtol=2.0**-11)
            assert not np.array_equal(found, np.float32(row["values"]))
    assert main([*words, "--tokens", "-1"]) == 2 and "give 0 for none" in capsys.readouterr().err
