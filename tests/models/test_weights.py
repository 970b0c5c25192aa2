"""Weights that are missing, pickled, cut short or not all there are one sentence, before any is read."""

import json

import pytest
import torch
from fixtures.saved_models import save_llama

from morphoquant.core.errors import ModelError
from morphoquant.models.load import load
from morphoquant.models.weights import check_weights


@pytest.fixture
def folder(tmp_path):
    return save_llama(tmp_path / "llama")


def refused(folder) -> str:
    with pytest.raises(ModelError) as told:
        check_weights(folder, "a model")
    for weights in (False, True):
        with pytest.raises(ModelError):
            load(str(folder), folder, weights=weights)
    assert "\n" not in str(told.value) and str(told.value).endswith(".")
    return str(told.value)


def test_whole_weights_are_taken_and_pickled_ones_beside_them_are_not_looked_at(folder):
    (folder / "pytorch_model.bin").write_bytes(b"not a pickle")
    check_weights(folder, "a model")


def test_pickled_weights_alone_are_refused(folder):
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")
    assert "pickled ones (.bin, .pt) are refused" in refused(folder)


def test_a_shard_that_the_index_lists_and_is_not_there_is_named(folder):
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    weights = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weights}))
    assert "model-00002-of-00002.safetensors of a model is missing" in refused(folder)


@pytest.mark.parametrize("content", ["{", "[]", '{"weight_map": 3}'])
def test_an_index_that_lists_nothing_is_one_sentence(folder, content):
    (folder / "model.safetensors.index.json").write_text(content)
    assert "model.safetensors.index.json of a model lists no weights" in refused(folder)


def test_a_file_cut_short_is_named(folder):
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])
    assert "model.safetensors of a model is damaged" in refused(folder)
