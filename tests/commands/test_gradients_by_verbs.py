"""quantize, evaluate and sensitivity measure the gradients that a method wants, once for a capture."""

import pytest
from fixtures.saved_models import save_llava

from morphoquant.cli import main
from morphoquant.store.run_store import RunStore


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_llava(tmp_path_factory.mktemp("llava"))


def gradients(cache):
    return [entry.header for entry in RunStore(cache).entries() if entry.header.plan.kind == "gradients"]


def test_verbs_measure_gradients_where_a_method_needs_them_and_find_them_again(folder, tmp_path, capsys):
    shared = ["--cache", str(tmp_path), "--samples", "7"]
    quantize = ["quantize", "--model", str(folder), *shared, "--eval-samples", "2", "--spec", "w4a16", "--method"]
    assert main([*quantize, "rtn", "mbq:image=1,video=1,audio=1"]) == 0
    assert not gradients(tmp_path) and "gradients" not in capsys.readouterr().err
    assert main([*quantize, "mbq", "quarot+mbq"]) == 0
    (made,) = gradients(tmp_path)
    told = capsys.readouterr().err
    assert "measuring gradients" in told and made.status == "finished" and made.summary["samples"] > 0
    store = RunStore(tmp_path)
    captured = store.open(made.plan.capture)
    found = store.open(made.run_id).frame("gradients")
    assert captured.plan.kind == "capture" and set(found["modality"].dropna()) == {"image"}
    size = found[found["modality"] == "image"].set_index("layer")["gradient"]
    last = size.index.str.contains("layers.1.")
    assert (size[~last] > 0).all() and (size[last] == 0).all(), "behind the last block only rows of the answer count"
    asked = [str(folder), *shared, "--items", "2", "--method", "mbq", "--spec", "w4a16"]
    for verb in ("evaluate", "sensitivity"):
        assert main([verb, *asked]) == 0
        assert "measuring gradients" not in capsys.readouterr().err
    assert len(gradients(tmp_path)) == 1
    assert main(["evaluate", *asked, "--calibrate-on", "image"]) == 0
    assert len(gradients(tmp_path)) == 2, "another capture has gradients of its own"
