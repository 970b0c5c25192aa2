"""Blocks of a model of half precision, in memory or on the disk, are fitted in float32, one at a time."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from fixtures.saved_models import save_llava

import morphoquant
from morphoquant.core.layers import Component, block_path
from morphoquant.core.modality import Modality
from morphoquant.core.spec import QuantSpec
from morphoquant.data.sample import Part, Sample
from morphoquant.methods.base import Need
from morphoquant.methods.options import parse_method
from morphoquant.models.load import load
from morphoquant.quant.residence import is_stand_in
from morphoquant.runs.blocks import Blocks, Flow
from morphoquant.runs.fitting import Fitting, Held, fit
from morphoquant.runs.inputs import CalibrationInputs
from morphoquant.store.run_store import RunStore

FIRST, SECOND = (f"model.language_model.layers.{index}" for index in (0, 1))
NEEDS = frozenset({Need.EXTREMES, Need.SAMPLE})
TEXTS = ("omniquant:steps=3,rows=32", "qvlm:ratios=3,sequences=2")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    return str(save_llava(tmp_path_factory.mktemp("llava"))), tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def inputs(folders):
    """What one capture says, with the model in memory and with its weights on the disk."""
    whole, apart = (load(*folders, dtype="bfloat16", memory=memory) for memory in (None, 1))
    picture = np.random.default_rng(0).integers(0, 255, (20, 20, 3), dtype=np.uint8)
    given = [
        Sample(str(n), "test", (Part(Modality.TEXT, f"look at {n}"), *[Part(Modality.IMAGE, picture)][: n % 2]), "yes")
        for n in range(3)
    ]
    batches = [whole.encode([sample]) for sample in given]
    run = morphoquant.capture(whole.model, batches, store=RunStore(folders[1]), control=whole.control, keep_rows=16)
    return [CalibrationInputs(run, one.model, [Component.LANGUAGE, Component.VISION]) for one in (whole, apart)]


@pytest.fixture(scope="module")
def fits(inputs):
    """Of each method, on the weights in memory and on those on the disk."""
    methods = [(parse_method(text), QuantSpec.parse("w4a4")) for text in TEXTS]
    return [fit(methods, one) for one in inputs]


def test_a_block_is_run_in_float32_on_what_the_model_gave_it(inputs):
    blocks, module = Blocks(inputs[0]), inputs[0].model.get_submodule(SECOND)
    own = {name: one.clone() for name, one in module.state_dict().items()}
    recorded = blocks.calls(SECOND)
    with blocks.in_work(SECOND) as calls:
        assert {one.dtype for one in module.state_dict().values()} == {torch.float32}
        for call, narrow in zip(calls, recorded, strict=True):
            assert call.own is narrow and narrow.exact.dtype == narrow.wanted.dtype == torch.bfloat16
            assert call.given is call.exact and torch.equal(call.exact, narrow.exact.float())
    alone = deepcopy(module).float()
    for call, narrow in zip(calls, recorded, strict=True):
        tables = tuple(one.float() for one in narrow.kwargs["position_embeddings"])
        assert "past_key_values" in narrow.kwargs, "the keys and values of the model are not kept for it"
        kwargs = {**narrow.kwargs, "position_embeddings": tables}
        with torch.no_grad():
            assert torch.equal(call.wanted, alone(narrow.exact.float(), **kwargs))
        assert 0 < (call.wanted - narrow.wanted).abs().max() < 0.02 * call.wanted.abs().max()
    now = module.state_dict()
    assert all(torch.equal(now[name], one) and now[name].dtype == one.dtype for name, one in own.items())


def test_what_a_quantised_block_leaves_goes_into_the_next_without_rounding(inputs, fits):
    blocks, flow = Blocks(inputs[0]), Flow()
    with blocks.in_work(FIRST) as calls:
        first = blocks.inputs(FIRST, flow.into(calls), NEEDS)
        found = {group: one for group, one in fits[0][0].items() if block_path(group) == FIRST}
        left = first.outputs(found)
        flow.out_of(first, found)
    with blocks.in_work(SECOND) as calls:
        for call, output in zip(flow.into(calls), left, strict=True):
            assert torch.equal(call.given, output) and output.dtype == torch.float32
            assert not torch.equal(call.given, call.exact)


def test_weights_on_the_disk_are_fitted_as_those_in_memory(inputs, fits):
    assert inputs[1].model.get_submodule(FIRST).mlp.up_proj.weight.is_meta
    for whole, apart in zip(*fits, strict=True):
        assert list(whole) == list(apart) == inputs[0].groups
        for group, one in whole.items():
            assert all(torch.equal(w, apart[group].weights[layer]) for layer, w in one.weights.items())
            assert all(np.array_equal(one.columns[name], apart[group].columns[name]) for name in ("low", "high"))
    assert all(one.is_meta for one in inputs[1].model.parameters())
    # As many types as there were: what is read for the next forward is as narrow as it was.
    assert {one.dtype for one in inputs[1].model.parameters()} == {torch.bfloat16}


def test_weights_that_are_not_quantised_are_not_held_in_float32(inputs):
    found = fit([(parse_method(TEXTS[1]), QuantSpec.parse("w16a4"))], inputs[0])[0]
    assert all(is_stand_in(w) for one in found.values() for w in one.weights.values())


def test_what_is_learned_has_a_smaller_error_in_float32(inputs, fits):
    blocks, nearest = Blocks(inputs[0]), fit([(parse_method("rtn"), QuantSpec.parse("w4a4"))], inputs[0])[0]
    with blocks.in_work(FIRST) as calls:
        block = blocks.inputs(FIRST, calls, NEEDS)
        errors = [
            block.error({group: one for group, one in found.items() if block_path(group) == FIRST})
            for found in ({}, fits[0][0], nearest)
        ]
    assert errors[0] == 0 < errors[1] < errors[2]


def test_blocks_in_passes_are_fitted_as_in_one(inputs, fits):
    fitting = Fitting([(parse_method(text), QuantSpec.parse("w4a4")) for text in TEXTS], inputs[1])
    groups = inputs[1].groups
    cut = groups.index(next(group for group in groups if group.startswith(SECOND)))
    fitting.pass_over(groups[:cut], lambda *told: None)
    found = fitting.fit(groups[cut:], lambda *told: None, Held())
    for whole, late in zip(fits[0], found, strict=True):
        for group, one in late.items():
            assert all(torch.equal(w, whole[group].weights[layer]) for layer, w in one.weights.items())
