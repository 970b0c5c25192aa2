"""A change of basis leaves the full-precision logits as they are: towers, connectors, decoder and head of stock models."""

from contextlib import nullcontext
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from tiny_models import MODELS
from torch import nn

import morphoquant
from morphoquant.core.layers import Component
from morphoquant.core.modality import Modality
from morphoquant.core.spec import QuantSpec
from morphoquant.data.datasets import DATASETS
from morphoquant.hooks.modality_hooks import ModalityHooks
from morphoquant.hooks.row_labels import RowLabels
from morphoquant.methods.options import parse_method
from morphoquant.models.load import load
from morphoquant.quant.linear import quantized
from morphoquant.quant.transform import Identity
from morphoquant.runs.fitting import fit
from morphoquant.runs.inputs import CalibrationInputs
from morphoquant.store.run_store import RunStore

MEDIA = (Modality.TEXT, Modality.IMAGE, Modality.AUDIO, Modality.VIDEO)
METHODS = ["smoothquant", "osplus:shift=always", "quarot", "awq:clip=false", "atom", "osplus:shift=always+quarot", "masquant"]
METHODS += ["spinquant:steps=2"]
METHODS += ["omniquant:steps=5,shift=always"]


def logits(model, batch):
    with torch.no_grad():
        return model(**{name: v.double() if v.is_floating_point() else v for name, v in batch.items()}).logits


def labelled(model, fits):
    """Tells the layers what each row is, where their fits must know."""
    return ModalityHooks(model, RowLabels()) if any(one.by_modality for one in fits.values()) else nullcontext()


@pytest.fixture(scope="module", params=list(MODELS))
def captured(request, tmp_path_factory):
    """A tiny model in float64, its batch, its logits, and what a capture of it says."""
    model, batch, _ = MODELS[request.param]()
    run = morphoquant.capture(model, [batch], store=RunStore(tmp_path_factory.mktemp("cache")), keep_rows=16)
    inputs = CalibrationInputs(run, model, list(Component))
    wide = deepcopy(model).double()
    return wide, batch, logits(wide, batch), inputs


@pytest.fixture(scope="module")
def embedded(tmp_path_factory):
    """The same of the embedded model with its real weights, on a sample that holds every modality."""
    loaded = load("demo", Path(__file__).parents[2] / "cache")
    sample = next(one for one in DATASETS["demo-calibration"](45, 0) if {part.modality for part in one.parts} == set(MEDIA))
    batch = loaded.encode([sample])
    store = RunStore(tmp_path_factory.mktemp("cache"))
    run = morphoquant.capture(loaded.model, [batch], store=store, control=loaded.control, keep_rows=64)
    inputs = CalibrationInputs(run, loaded.model, list(Component))
    wide = deepcopy(loaded.model).double()
    # Stock RMSNorms go through float32 whatever they are given: there the last bit of a massive activation can tip.
    for name, norm in [one for one in wide.named_modules() if type(one[1]).__name__.endswith("RMSNorm")]:
        exact = nn.RMSNorm(norm.weight.shape, norm.variance_epsilon, dtype=torch.float64)
        exact.load_state_dict(norm.state_dict())
        wide.set_submodule(name, exact)
    return wide, batch, logits(wide, batch), inputs


@pytest.mark.parametrize("text", METHODS)
def test_logits_do_not_move(captured, text):
    assert_unmoved(captured, text)


@pytest.mark.demo
@pytest.mark.parametrize("text", ["smoothquant", "osplus:shift=always,steps=1+quarot"])
def test_logits_of_the_embedded_model_do_not_move(embedded, text):
    assert_unmoved(embedded, text)


def assert_unmoved(captured, text):
    """Logits stay as they are with the method's transforms alone, move with its quantisers, and come back."""
    model, batch, before, inputs = captured
    (fits,) = fit([(parse_method(text), QuantSpec.parse("w4a4-token"))], inputs)
    changed = [name for name, found in fits.items() if not isinstance(found.transform, Identity)]
    parts = {inputs.group(name, ()).component for name in changed}
    assert Component.LANGUAGE in parts and len(parts) > 2, "decoder, a tower, and a connector or the head"
    with quantized(model, fits, weights=False, activations=False), labelled(model, fits):
        after = logits(model, batch)
    assert float((after - before).abs().max()) < 1e-9 * float(before.abs().max())
    with quantized(model, fits), labelled(model, fits):
        assert float((logits(model, batch) - before).abs().max()) > 1e-3 * float(before.abs().max())
    assert torch.equal(logits(model, batch), before)
