"""Fits that are held are not found again, whatever the scope, and are those that would be found."""

import pytest
import torch
from fixtures.pairs import pair
from fixtures.tiny_omni import CONTROL, tiny_batches, tiny_model

import morphoquant
from morphoquant.core.layers import Component
from morphoquant.methods.base import METHODS
from morphoquant.runs.fitting import Held, fit
from morphoquant.runs.inputs import CalibrationInputs
from morphoquant.store.run_store import RunStore


@pytest.fixture(scope="module")
def scopes(tmp_path_factory):
    """Inputs of all parts, and of the language model alone."""
    model = tiny_model()
    run = morphoquant.capture(model, tiny_batches(3), store=RunStore(tmp_path_factory.mktemp("c")), control=CONTROL, keep_rows=8)
    return CalibrationInputs(run, model, list(Component)), CalibrationInputs(run, model, [Component.LANGUAGE])


@pytest.mark.parametrize(
    "text", ["rtn@w4a4", "omniquant:steps=1@w4a4", "smoothquant+gptq@w4a4-token", "morphoquant:mask_scope=global@w4a4"]
)
def test_a_further_scope_gets_what_is_held_and_finds_what_depends_on_the_scope(scopes, text):
    whole, part = scopes
    (method, spec), held = pair(text), Held()
    (first,) = fit([(method, spec)], whole, held=held)
    (alone,) = fit([(method, spec)], part)
    (again,) = fit([(method, spec)], part, held=held)
    assert list(again) == part.groups and set(again) < set(first)
    looks_at_all = method.survey(part.summaries) is not None
    assert looks_at_all == ("global" in text)
    for group, found in again.items():
        assert (found is first[group]) != looks_at_all
        for layer, weight in found.weights.items():
            assert torch.equal(weight, alone[group].weights[layer])


def test_nothing_is_fitted_twice(scopes, monkeypatch):
    (method, spec), held = pair("awq@w4a16"), Held()
    fit([(method, spec)], scopes[0], held=held)
    monkeypatch.setattr(METHODS["awq"], "fit", None)
    (found,) = fit([(method, spec)], scopes[1], held=held)
    assert list(found) == scopes[1].groups


def test_a_combination_takes_what_was_found_for_its_parts_alone(scopes, monkeypatch):
    gptq, found = METHODS["gptq"].fit, []

    def counted(self, inputs, spec, survey=None):
        found.append(inputs.group)
        return gptq(self, inputs, spec, survey)

    monkeypatch.setattr(METHODS["gptq"], "fit", counted)
    monkeypatch.setattr("morphoquant.runs.fitting.lanes", lambda inputs: 1)
    alone, combined = fit([pair("gptq@w4a4"), pair("gptq+dabc@w4a4")], scopes[1])
    assert found == scopes[1].groups
    (again,) = fit([pair("gptq+dabc@w4a4")], scopes[1])
    assert found == 2 * scopes[1].groups
    for group, fitted in combined.items():
        assert all(torch.equal(weight, again[group].weights[layer]) for layer, weight in fitted.weights.items())
        assert fitted.seconds > alone[group].seconds > 0
    # Behind a change of basis, GPTQ has other inputs.
    fit([pair("gptq@w4a4"), pair("smoothquant+gptq@w4a4")], scopes[1])
    assert len(found) == 4 * len(scopes[1].groups)
