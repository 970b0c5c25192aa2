"""A user's own folder through the command line: captured, quantised, compared."""

import json

import pytest
from fixtures.saved_models import save_llama, save_llava
from safetensors.torch import load_file, save_file

from morphoquant.cli import main
from morphoquant.store.run_store import RunStore


@pytest.mark.parametrize(("save", "modalities"), [(save_llava, {"text", "image"}), (save_llama, {"text"})])
def test_a_folder_is_captured_quantised_and_compared(save, modalities, tmp_path, capsys):
    folder = save(tmp_path / "model")
    words = ["--model", str(folder), "--cache", str(tmp_path / "cache"), "--samples", "5"]
    assert main(["capture", *words, "--json"]) == 0
    captured = json.loads(capsys.readouterr().out)
    assert captured["status"] == "finished" and captured["tables"]["channel_stats"] > 0
    assert (
        main(["quantize", *words, "--eval-samples", "5", "--method", "rtn", "morphoquant", "--spec", "w4a4", "w8a8", "--json"])
        == 0
    )
    assert len(json.loads(capsys.readouterr().out)) == 4
    assert main(["compare", "--json", "--cache", str(tmp_path / "cache")]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["modality"] for row in rows} == modalities
    best = {row["spec"]: row["pooled_sqnr_db"] for row in rows if row["method"] == "rtn" and row["modality"] == "text"}
    assert best["w8a8"] > best["w4a4"] + 15


def test_activations_that_are_not_finite_are_one_sentence_and_their_run_is_kept(tmp_path, capsys):
    folder, cache = save_llama(tmp_path / "model"), tmp_path / "cache"
    file = folder / "model.safetensors"
    weights = load_file(file)
    weights["model.layers.0.self_attn.v_proj.weight"][0, 0] = float("nan")
    save_file(weights, file, metadata={"format": "pt"})
    for verb in ("capture", "quantize"):
        assert main([verb, "--model", str(folder), "--cache", str(cache), "--samples", "2"]) == 2
        said = capsys.readouterr().err.strip().splitlines()[-1]
        assert "NaN" in said and "model.layers.0.self_attn.o_proj" in said
        (entry,) = RunStore(cache).entries()
        assert entry.header.status == "finished" and entry.run_id in said
