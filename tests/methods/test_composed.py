"""Combinations: the transform of one method, the weights of another, the activation bounds of a third."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from morphoquant.core.errors import SpecError, UnknownNameError
from morphoquant.core.plan import RunPlan
from morphoquant.core.spec import QuantSpec
from morphoquant.methods.base import Need
from morphoquant.methods.basis import in_basis
from morphoquant.methods.composed import Composed
from morphoquant.methods.mdqfo import MDQFO
from morphoquant.methods.morphoquant import MorphoQuant
from morphoquant.methods.options import describe_method, make_method, parse_method
from morphoquant.methods.quarot import QuaRot
from morphoquant.store.run_store import check_run_id

W4A4 = QuantSpec.parse("w4a4")


def fit(text, inputs, spec=W4A4):
    method = parse_method(text)
    return method.fit(inputs, spec, method.survey({inputs.group: inputs.summary}))


def test_transform_of_the_first_and_bounds_of_the_second(inputs):
    found, turned = fit("quarot+mdqfo", inputs), fit("quarot", inputs).transform
    alone = fit("mdqfo", in_basis(inputs, turned))
    x = inputs.sample.x
    assert torch.equal(found.transform.input(x), turned.input(x))
    assert torch.equal(found.activation.quantize(turned.input(x)), alone.activation.quantize(turned.input(x)))
    assert all(np.array_equal(found.columns[name], alone.columns[name], equal_nan=True) for name in found.columns)
    assert all(torch.equal(found.weights[layer], alone.weights[layer]) for layer in found.weights)


def test_weights_come_from_the_method_that_finds_them(inputs):
    found, turned = fit("quarot+gptq+dabc", inputs), fit("quarot", inputs).transform
    gptq, dabc = fit("gptq", in_basis(inputs, turned)), fit("dabc", in_basis(inputs, turned))
    assert all(torch.equal(found.weights[layer], gptq.weights[layer]) for layer in found.weights)
    assert torch.equal(found.correction.mask, dabc.correction.mask) and found.bypass_density == dabc.bypass_density
    # In whatever order those two stand.
    other = fit("quarot+dabc+gptq", inputs)
    assert all(torch.equal(found.weights[layer], other.weights[layer]) for layer in found.weights)
    assert torch.equal(found.correction.limit, other.correction.limit)


def test_what_nobody_finds_is_rounded_to_nearest(inputs):
    both, alone = fit("smoothquant+gptq", inputs), fit("smoothquant", inputs)
    x = alone.transform.input(inputs.sample.x)
    assert torch.equal(both.activation.quantize(x), alone.activation.quantize(x))
    same, plain = fit("quarot+rtn", inputs), fit("quarot", inputs)
    assert all(torch.equal(same.weights[layer], plain.weights[layer]) for layer in plain.weights)
    assert np.array_equal(same.columns["step"], plain.columns["step"])


def test_one_range_a_channel_does_not_feel_a_scale_of_channels(inputs):
    """Grids scale along, so the search finds the same ratios and the input has the same error."""
    found, plain = fit("smoothquant+mdqfo:p=2", inputs), fit("mdqfo:p=2", inputs)
    x = inputs.sample.x
    back = found.transform.undo(found.activation.quantize(found.transform.input(x)))
    errors = [float((xq - x).square().sum()) for xq in (back, plain.activation.quantize(x))]
    assert errors[0] == pytest.approx(errors[1], rel=1e-3)


def test_a_clip_of_the_rotated_input_is_not_lost(inputs):
    """With it the rotation finds bounds too: weights of another method leave them, and a second method may not find others."""
    token = QuantSpec.parse("w4a4-token")
    found, alone = (fit(text, inputs, token) for text in ("quarot:clip=0.9+gptq", "quarot:clip=0.9"))
    assert found.activation == alone.activation and found.activation.clip == 0.9
    with pytest.raises(SpecError, match="both quarot and mdqfo find activation bounds"):
        parse_method("quarot:clip=0.9+mdqfo")


def test_extra_weight_bits_are_those_of_the_weights_in_use(inputs):
    token = QuantSpec.parse("w4a4-token")
    found, alone = (fit(text, inputs, token) for text in ("quarot+zeroquant:group=16+rtn:clip=0.9", "zeroquant:group=16"))
    assert found.extra_weight_bits == alone.extra_weight_bits > 0 and found.activation.clip == 0.9


@pytest.mark.parametrize(
    "text",
    [
        "quarot+mdqfo",
        "quarot:seed=3+mdqfo:p=0.5,ratio_count=9",
        "morphoquant:mask_all_roles=down_proj+fc2,lam=1.5+gptq:act_order=true",
        "awq:clip=false+gptq+morphoquant:mask_all_roles=none",
    ],
)
def test_text_and_options_lead_back(text):
    method = parse_method(text)
    assert parse_method(describe_method(method)) == method
    again = make_method(method.name, json.loads(json.dumps(method.options())))
    assert again.options() == method.options() and again.name == method.name


def test_plus_joins_methods_and_values():
    assert parse_method(" quarot + mdqfo ") == Composed((QuaRot(), MDQFO()))
    assert parse_method("morphoquant:mask_all_roles=down_proj+fc2") == MorphoQuant(mask_all_roles=("down_proj", "fc2"))
    method = parse_method("quarot:seed=3+mdqfo")
    assert method.name == "quarot+mdqfo" and method.options()["quarot.seed"] == 3
    with pytest.raises(UnknownNameError, match="did you mean 'mdqfo'"):
        parse_method("quarot+mdqf")
    with pytest.raises(SpecError, match="no field 'quarot.sead': did you mean 'quarot.seed'"):
        make_method("quarot+mdqfo", {"quarot.sead": 1})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mdqfo+quarot", "quarot changes the basis in which mdqfo has found its activation bounds: put quarot before mdqfo"),
        ("gptq+smoothquant", "put smoothquant before gptq"),
        ("mdqfo+dabc", "both mdqfo and dabc find activation bounds"),
        ("awq+gptq", "both awq and gptq find weights"),
        ("quarot+quarot", "each once"),
    ],
)
def test_combinations_that_make_no_sense_are_refused(text, message):
    with pytest.raises(SpecError, match=message) as refused:
        parse_method(text)
    assert str(refused.value).count(".") == 1


def test_every_part_must_honour_the_spec_and_look_at_one_layer_at_a_time(inputs):
    with pytest.raises(SpecError, match="mdqfo places one static activation range a channel"):
        parse_method("quarot+mdqfo").check(QuantSpec.parse("w4a4-token"))
    with pytest.raises(SpecError, match="quarot changes their bases: .*mask_scope=local"):
        fit("quarot+dabc:mask_scope=global", inputs)
    assert fit("gptq+dabc:mask_scope=global", inputs).correction is not None, "weights alone leave the bases as they are"


def test_behind_a_rotation_statistics_are_asked_of_the_sample(inputs):
    assert parse_method("smoothquant+dabc").needs == {Need.EXTREMES, Need.MEAN_ABS, Need.SAMPLE}
    assert parse_method("quarot+dabc").needs == {Need.EXTREMES, Need.SAMPLE}
    assert parse_method("quarot+mbq").needs == {Need.EXTREMES, Need.SAMPLE, Need.GRADIENTS}, "gradients know of no basis"
    empty = replace(
        inputs, sample=replace(inputs.sample, **{name: getattr(inputs.sample, name)[:0] for name in ("x", "slots", "weights")})
    )
    found, plain = fit("quarot+mdqfo", empty), fit("mdqfo", empty)
    assert np.array_equal(found.columns["step"], plain.columns["step"]), "without a row the basis stays"


def test_combined_methods_are_fitted_to_single_groups():
    assert Need.BLOCKS in parse_method("omniquant").needs and not hasattr(parse_method("omniquant+mdqfo"), "fit_block")
    assert Need.BLOCKS not in parse_method("omniquant+mdqfo").needs


def test_runs_of_combinations_have_names_that_folders_take():
    plan = RunPlan("quantize", {}, {}, {}, 0, "1", method="quarot+mdqfo", spec="w4a4")
    assert check_run_id(plan.run_id) == plan.run_id and plan.run_id.startswith("quarot-mdqfo-w4a4-")
