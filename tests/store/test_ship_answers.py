import numpy as np
import pytest
from fixtures.answer_runs import build_answer_runs

from morphoquant.cli import main
from morphoquant.store.run_store import RunStore
from morphoquant.store.ship import ship


def test_answers_and_rankings_are_shipped_whole(tmp_path):
    made, store = build_answer_runs(tmp_path / "made"), RunStore(tmp_path / "other")
    for run in (made.full, made.sensitivity):
        ship(run, store.roots[1], set())
        copy = store.open(run.run_id)
        assert copy.header.stored and set(copy.header.tables) == set(run.header.tables)
        assert copy.header.summary["shipped"] == "sums to 12 significant bits"
        for name in copy.header.tables:
            one, other = run.frame(name), copy.frame(name)
            for column in one.columns:
                if one[column].dtype == np.float64 and name != "sensitivity" or column in ("kl", "nll"):
                    assert other[column].to_numpy() == pytest.approx(one[column].to_numpy(), rel=2.5e-4, nan_ok=True)
                else:
                    assert one[column].map(repr).equals(other[column].map(repr)), (name, column)


def test_the_verb_ships_a_run_without_layers(tmp_path, capsys):
    made = build_answer_runs(tmp_path)
    assert main(["runs", "--ship", made.full.run_id, "--cache", str(tmp_path)]) == 0
    assert (tmp_path / "stored" / made.full.run_id / "answers.parquet").is_file()
