"""OmniQuant: what is learned is never worse than where it began, and gradients are those of the rounding they stand for."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made_groups import draw, group
from test_basis_methods import noisy

from morphoquant.core.errors import SpecError
from morphoquant.core.spec import QuantSpec
from morphoquant.methods.cost import cost_of
from morphoquant.methods.omniquant_learning import Learned
from morphoquant.methods.options import parse_method
from morphoquant.methods.output_error import fit_error
from morphoquant.methods.parts import Part
from morphoquant.methods.rows import search_rows
from morphoquant.methods.straight_through import straight_through
from morphoquant.quant.linear import QuantizedLinear
from morphoquant.quant.transform import Identity

EVERYTHING = frozenset({"scale", "shift", "clip"})


def fit(text, inputs, spec):
    return parse_method(text).fit(inputs, QuantSpec.parse(spec), None)


def errors(inputs, spec, *texts):
    rows = search_rows(inputs.sample, 512)
    return [fit_error(fit(text, inputs, spec), inputs, *rows) for text in texts]


@given(
    seed=st.integers(0, 10**6),
    spec=st.sampled_from(["w4a4-token", "w4a4", "w3a16-g8", "w4a4-tensor", "w4a4-nf4-token", "w4a4-hif4", "w16a4-token"]),
    fields=st.sampled_from(["", ",shift=always", ",clip=false", ",scale_rate=1,clip_rate=1", ",seed=3,batch=1"]),
)
@settings(max_examples=15, deadline=None)
def test_omniquant_is_not_worse_than_rounding_to_nearest_nor_than_the_scales_it_begins_with(seed, spec, fields):
    learned, kept, nearest, smooth = errors(
        noisy(seed), spec, f"omniquant:steps=6{fields}", "omniquant:steps=0", "rtn", "smoothquant"
    )
    assert learned <= kept == min(nearest, smooth)


@pytest.mark.parametrize("spec", ["w4a4-token", "w4a16", "w2a16-g8", "w4a4-tensor", "w16a4-token"])
def test_learning_lowers_the_error_by_far_where_clips_and_scales_matter(spec, inputs):
    learned, start = errors(inputs, spec, "omniquant", "omniquant:steps=0")
    assert learned < 0.9 * start


def test_each_part_is_learned_alone(inputs):
    for fields, transform in (("scale=false", True), ("clip=false", False)):
        found = fit(f"omniquant:{fields}", inputs, "w4a4-token")
        assert isinstance(found.transform, Identity) == transform
    assert parse_method("omniquant:scale=false,shift=never").finds == {Part.WEIGHTS}
    assert parse_method("omniquant:clip=false").finds == {Part.TRANSFORM}
    alone, start = errors(inputs, "w16a4-token", "omniquant:clip=false,scale=false,shift=always", "rtn")
    assert alone < start
    with pytest.raises(SpecError, match="learns nothing without scale, shift and clip"):
        parse_method("omniquant:scale=false,clip=false,shift=never")


def test_the_fit_is_what_the_loss_was_taken_of(inputs):
    """Else something other than the result is learned."""
    unit = inputs.sample.x.std(0)
    for spec in ("w4a4-token", "w4a4", "w3a8-g8-tensor", "w4a4-nf4-token", "w4a4-mxfp4"):
        learned = Learned(inputs, QuantSpec.parse(spec), torch.linspace(0.5, 2, inputs.channels).double(), unit, EVERYTHING)
        with torch.no_grad():
            learned.shift += 0.25
            for clips in learned.clips.values():
                clips -= 3
            x = inputs.sample.x
            loss = float(learned.loss(x))
        root = torch.full((len(x), 1), len(x) ** -0.5)
        assert loss == pytest.approx(fit_error(learned.fit(), inputs, x, root), rel=1e-3)


def test_learned_transforms_leave_the_linear_as_it_is(inputs):
    found = fit("omniquant:shift=always,steps=20", inputs, "w4a4-token").transform
    assert not isinstance(found, Identity)
    for w in inputs.weights.values():
        linear = torch.nn.Linear(w.shape[1], w.shape[0]).double()
        linear.weight.data = w.double()
        x = inputs.sample.x.double()
        with torch.no_grad():
            before, after = linear(x), QuantizedLinear(linear, partial(found.weight, w.double()), None, None, found)(x)
        assert float((after - before).abs().max()) < 1e-10 * float(before.abs().max())


def test_the_seed_decides_the_rows(inputs):
    one, other = (fit(f"omniquant:batch=4,seed={seed}", inputs, "w2a16") for seed in (0, 1))
    assert any(not torch.equal(one.weights[layer], other.weights[layer]) for layer in one.weights)


def test_rows_count_by_their_weights():
    """Rows that stand for nothing are not learned on."""
    inputs = group(draw())
    half = torch.arange(len(inputs.sample.x)) < 100
    weights = torch.where(half, inputs.sample.weights, 0.0)
    first = replace(inputs, sample=replace(inputs.sample, weights=weights))
    changed = torch.where(half[:, None], inputs.sample.x, 9 * inputs.sample.x)
    second = replace(first, sample=replace(first.sample, x=changed))
    one, other = (fit("omniquant:steps=5", given_, "w4a16") for given_ in (first, second))
    assert all(torch.equal(one.weights[layer], other.weights[layer]) for layer in one.weights)


def test_a_scale_that_folds_costs_nothing_at_run_time_and_a_shift_does(inputs):
    assert cost_of(fit("omniquant:steps=5", inputs, "w4a4-token")).extra_macs == 0
    assert cost_of(fit("omniquant:steps=5", replace(inputs, role="o_proj"), "w4a4-token")).extra_macs == inputs.channels
    shifted = fit("omniquant:shift=always,scale=false", inputs, "w4a16")
    assert cost_of(shifted).extra_macs == inputs.channels


def test_gradients_pass_through_rounding():
    x = torch.tensor([0.3, -0.6, 2.0, -3.0], requires_grad=True)
    reach = torch.tensor([1.5], requires_grad=True)
    exact = torch.tensor([0.5, -0.5, 1.5, -1.5])
    found = straight_through(x, exact, reach)
    torch.testing.assert_close(found.detach(), exact)
    found.sum().backward()
    assert x.grad.tolist() == [1, 1, 0, 0], "values beyond the range are stuck at its edge"
    # (Q(u) - u) inside, the sign beyond.
    assert float(reach.grad) == pytest.approx((0.5 - 0.3) / 1.5 + (-0.5 + 0.6) / 1.5 + 1 - 1, abs=1e-6)
    plain = torch.tensor([0.3], requires_grad=True)
    straight_through(plain, torch.tensor([0.5])).backward()
    assert plain.grad.item() == 1
    scale = torch.tensor(2.0, requires_grad=True)
    values = torch.tensor([0.31, 0.77, -1.0])
    # One grid for all, its range the largest value: rounding moves along with the scale.
    moved = values * scale
    rounded = (moved / moved.abs().amax() * 7).round() * moved.abs().amax() / 7
    straight_through(moved, rounded.detach(), moved.abs().amax()).sum().backward()
    assert float(scale.grad) == pytest.approx(float((rounded / 2).sum().detach()), rel=1e-5)


def test_the_gradient_through_a_range_is_that_of_its_definition():
    """Written out by hand, it equals what autograd makes of Q(x) = r Q(clamp(x / r)), for a range of each row."""
    x = torch.randn(4, 3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    exact, given = (x * 2).round() / 2, torch.arange(60, dtype=torch.float64).reshape(4, 3, 5)

    def gradients(quantise):
        moved, reach = x.clone().requires_grad_(), x.abs().amax(-1, keepdim=True).mul(0.7).requires_grad_()
        (quantise(moved, reach) * given).sum().backward()
        return moved.grad, reach.grad

    def defined(moved, reach):
        unit = torch.clamp(moved / reach, -1, 1)
        return reach * (unit + (exact / reach - unit).detach())

    for one, other in zip(gradients(lambda *both: straight_through(both[0], exact, both[1])), gradients(defined), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("omniquant:steps=-1", "steps cannot be -1: allowed is 0 or more"),
        ("omniquant:batch=0", "batch cannot be 0"),
        ("omniquant:scale_rate=0", "scale_rate cannot be 0.0: allowed is above 0"),
        ("omniquant:clip_rate=nan", "clip_rate cannot be nan"),
    ],
)
def test_omniquant_says_what_is_wrong_with_a_field(text, message):
    with pytest.raises(SpecError, match=message):
        parse_method(text)
