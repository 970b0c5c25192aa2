"""export writes what the What if page shows, with its settings."""

import pandas as pd
import pytest

from morphoquant.cli import main


@pytest.mark.parametrize("view", ["what_if_grid", "what_if_mask", "what_if_split", "what_if_error"])
def test_a_what_if_view_is_exported_with_its_settings(small_runs, tmp_path, view):
    files = [tmp_path / "plain.csv", tmp_path / "set.csv"]
    words = ["export", view, "--cache", str(small_runs.store.cache), "--layer", "model.language_model.layers.2.self_attn.q_proj"]
    for file, more in zip(files, ([], ["--set", "bits=3", "bypass=yes", "sigma=1"]), strict=True):
        arguments = [word for word in words if view != "what_if_error" or not word.startswith(("--layer", "model."))]
        assert main([*arguments[:2], str(file), *arguments[2:], *more]) in (0, None)
    plain, given = map(pd.read_csv, files)
    assert len(plain) and len(given) and not plain.equals(given)


def test_a_setting_that_cannot_be_is_one_sentence(small_runs, tmp_path, capsys):
    words = ["export", "what_if_grid", str(tmp_path / "x.csv"), "--cache", str(small_runs.store.cache)]
    assert main([*words, "--set", "bits=12"]) == 2
    assert "bits cannot be 12: allowed are values from 2 to 8" in capsys.readouterr().err
