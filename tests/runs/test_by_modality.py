"""Fits that treat modalities differently: measured by row, and run in whole models that tell their layers what each row is."""

from dataclasses import replace

import pytest
import torch
from fixtures.pairs import pair
from fixtures.small_loaded import small_items, small_loaded
from fixtures.tiny_omni import CONTROL, tiny_batches, tiny_model

import morphoquant
from morphoquant.core.errors import ModelError, StoreError
from morphoquant.core.modality import Modality
from morphoquant.hooks.modality_hooks import ModalityHooks
from morphoquant.quant.by_modality import rows_of
from morphoquant.quant.linear import QuantizedLinear, quantized
from morphoquant.queries.alpha import alpha_search
from morphoquant.runs.evaluate import evaluate
from morphoquant.runs.fitting import fit
from morphoquant.runs.identity import model_identity
from morphoquant.runs.inputs import CalibrationInputs
from morphoquant.runs.quantised_model import quantised_model
from morphoquant.runs.scope import parts_of
from morphoquant.runs.sensitivity import sensitivity
from morphoquant.store.run_store import RunStore

SCOPE = ("language", "vision", "audio", "connector")
LAYER = "model.language_model.layers.1.mlp.gate_proj"
METHODS = [
    "morphomodal:two_level=true,masks=each@w4a4",
    "morphomodal:two_level=true,fold=true@w4a4",
    "masquant:rank=3@w4a4-token",
    "masquant:rank=0@w4a4",
    "quarot+mquant@w4a4-tensor",
]


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture(scope="module")
def setting(model, tmp_path_factory):
    store = RunStore(tmp_path_factory.mktemp("cache"))
    run = morphoquant.capture(model, tiny_batches(6), store=store, control=CONTROL, keep_rows=32)
    return store, run, CalibrationInputs(run, model, parts_of(SCOPE))


def logits(model, batch):
    with torch.no_grad():
        out = model(**batch)
    return getattr(out, "logits", out)


class Rows:
    """Keeps the input of one linear and its labels."""

    def __init__(self):
        self.x, self.slots = [], []

    def on_input(self, group, module, x, slots, keys):
        pass

    def on_linear(self, layer, group, module, x, slots):
        if layer == LAYER:
            self.x.append(x.clone())
            self.slots.append(slots.clone())


@pytest.mark.parametrize("text", METHODS)
def test_errors_are_those_of_the_layer_as_it_runs(model, setting, text):
    """Each modality's rows against the layer that quantises them, told which they are."""
    store, capture, inputs = setting
    batches = tiny_batches(4, seed=9)
    data = {"id": "tiny", "fingerprint": "x", "samples": 4}
    identity = model_identity(model)
    (run,) = morphoquant.quantize(
        model, capture, batches, [pair(text)], store=store, identity=identity, data=data, control=CONTROL
    )
    (fits,) = fit([pair(text)], inputs)
    with ModalityHooks(model, rows := Rows(), CONTROL) as hooks:
        for batch in batches:
            hooks.run(batch)
    x, slots = torch.cat(rows.x), torch.cat(rows.slots)
    linear = model.get_submodule(LAYER)
    group = next(name for name, one in fits.items() if LAYER in one.weights)
    assert fits[group].by_modality
    with quantized(model, {group: fits[group]}), torch.no_grad():
        layer = model.get_submodule(LAYER)
        layer.slots = slots
        off = layer(x) - linear(x)
    errors = run.frame("errors", where={"layer": LAYER, "tap": "output", "source": "both"})
    assert {"text", "image", "audio"} <= set(errors["modality"])
    for modality, found in errors.groupby("modality")["error_sq"].sum().items():
        assert found == pytest.approx(float(off[rows_of(slots, Modality(modality))].double().square().sum()), rel=1e-4)
    density = run.header.summary["bypass_density_of_fit"]
    assert density <= 0.01 if "morphomodal" in text else density is None
    assert not run.has("grids") or set(run.frame("grids")["group"]) == {n for n, one in fits.items() if one.columns is not None}


def test_charts_of_grids_say_where_there_is_none_for_all_rows(model, setting):
    store, capture, inputs = setting
    data, identity = {"id": "tiny", "fingerprint": "x", "samples": 1}, model_identity(model)
    (run,) = morphoquant.quantize(
        model, capture, tiny_batches(1), [pair(METHODS[1])], store=store, identity=identity, data=data, control=CONTROL
    )
    (fits,) = fit([pair(METHODS[1])], inputs)
    single = next(name for name, one in fits.items() if one.columns is not None)
    assert len(alpha_search(run, single)) == inputs.group(single, ()).channels
    with pytest.raises(StoreError, match="a grid for each modality at"):
        alpha_search(run, LAYER)


@pytest.mark.parametrize("text", METHODS)
def test_the_whole_model_runs_and_every_layer_is_told(model, setting, text):
    *_, inputs = setting
    (fits,) = fit([pair(text)], inputs)
    batch = tiny_batches(1, seed=9)[0]
    before = logits(model, batch)
    with quantised_model(model, fits, CONTROL):
        apart = logits(model, batch)
        layers = [part for part in model.modules() if isinstance(part, QuantizedLinear) and part.by_modality]
        assert layers and all(layer.slots is None for layer in layers), "all labels were used"
    assert not torch.allclose(apart, before, atol=1e-3 * float(before.abs().max()))
    assert torch.equal(logits(model, batch), before)
    plain = {name: replace(one, by_modality={}) for name, one in fits.items()}
    with quantised_model(model, plain, CONTROL):
        alike = logits(model, batch)
    assert not torch.allclose(alike, apart)
    same = {name: replace(one, by_modality=dict.fromkeys(one.by_modality, plain[name])) for name, one in fits.items()}
    with quantised_model(model, same, CONTROL):
        torch.testing.assert_close(logits(model, batch), alike, rtol=1e-4, atol=1e-4 * float(alike.abs().max()))


def test_without_labels_one_sentence_says_what_to_do(model, setting):
    *_, inputs = setting
    (fits,) = fit([pair(METHODS[0])], inputs)
    with pytest.raises(ModelError, match="run the model inside runs.quantised_model"), quantized(model, fits):
        logits(model, tiny_batches(1)[0])


@pytest.fixture(scope="module")
def loaded():
    return small_loaded()


def test_questions_are_answered_by_modality(loaded, tmp_path):
    """Towers in scope or not, one row a forward or several."""
    store, items = RunStore(tmp_path), small_items(6)
    batches = [loaded.encode([item.sample]) for item in items]
    capture = morphoquant.capture(
        loaded.model, batches, store=store, identity=loaded.identity, control=loaded.control, keep_rows=16
    )
    pairs = [pair(text) for text in (METHODS[2], METHODS[1])]
    for scope, batch in ((("language",), 1), (SCOPE, 2)):
        runs = evaluate(loaded, items, pairs, store=store, captures=[capture], scope=scope, batch=batch)[1:]
        one, two = (run.frame("answers").sort_values("item")["log_likelihoods"].tolist() for run in runs)
        assert len(one) == len(two) == 6 and any(list(a) != list(b) for a, b in zip(one, two, strict=True))


def test_groups_are_judged_one_by_one_while_blocks_are_replayed(loaded, tmp_path):
    store, items = RunStore(tmp_path), small_items(4)
    batches = [loaded.encode([item.sample]) for item in small_items(8)]
    capture = morphoquant.capture(
        loaded.model, batches, store=store, identity=loaded.identity, control=loaded.control, keep_rows=16
    )
    run = sensitivity(loaded, items, *pair("morphomodal:two_level=true@w3a3"), store=store, capture=capture)
    (fits,) = fit([pair("morphomodal:two_level=true@w3a3")], CalibrationInputs(capture, loaded.model, parts_of(("language",))))
    assert sum(bool(one.by_modality) for one in fits.values()) > 1
    found = run.frame("sensitivity").fillna({"group": "all"})
    assert set(found["group"]) == {*fits, "all"} and (found.groupby("group")["kl"].sum() > 0).all()
