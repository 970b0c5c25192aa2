"""SmoothQuant, Outlier Suppression+, AWQ and QuaRot: what theory promises of each."""

import gc
from dataclasses import replace
from functools import partial
from weakref import ref

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made_groups import draw, group, summarise

from morphoquant.core.errors import SpecError
from morphoquant.core.spec import QuantSpec
from morphoquant.methods.awq import candidate, weight_error
from morphoquant.methods.basis import in_basis
from morphoquant.methods.options import parse_method
from morphoquant.methods.output_error import output_error
from morphoquant.methods.rows import search_rows
from morphoquant.methods.weights import fit_weights
from morphoquant.quant.channelwise import Permutation, Scale, Shift
from morphoquant.quant.linear import QuantizedLinear
from morphoquant.quant.rotation import random_rotation
from morphoquant.quant.transform import Identity, composed

BASIS = ["smoothquant", "osplus:shift=always", "awq", "quarot", "spinquant:steps=2", "atom"]


def fit(text, inputs, spec):
    return parse_method(text).fit(inputs, QuantSpec.parse(spec))


def noisy(seed, rows=120, channels=24):
    """Inputs of which a few channels are wide and off centre."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1, (rows, channels)) * rng.lognormal(0, 0.5, channels)
    wide = rng.choice(channels, 3, replace=False)
    x[:, wide] = x[:, wide] * 20 + 30 * rng.choice([-1, 1], 3)
    return group(x.astype(np.float32))


@pytest.mark.parametrize("text", BASIS)
def test_the_basis_that_a_method_finds_leaves_the_linear_as_it_is(text, inputs):
    found = fit(text, inputs, "w4a4-token")
    assert not isinstance(found.transform, Identity)
    for w in inputs.weights.values():
        linear = torch.nn.Linear(w.shape[1], w.shape[0]).double()
        linear.weight.data = w.double()
        layer = QuantizedLinear(linear, partial(found.transform.weight, w.double()), None, None, found.transform)
        x = inputs.sample.x.double()
        with torch.no_grad():
            before, after = linear(x), layer(x)
        assert float((after - before).abs().max()) < 1e-10 * float(before.abs().max())


def test_smoothquant_shares_the_width_out(inputs):
    live = inputs.summary.max - inputs.summary.min + np.abs(inputs.summary.max) > 0
    one = fit("smoothquant:alpha=1", inputs, "w8a8-token").transform
    reach = one.input(inputs.sample.x).abs().amax(0)
    torch.testing.assert_close(reach[torch.from_numpy(live)], torch.ones(int(live.sum())))
    half = fit("smoothquant", inputs, "w8a8-token").transform
    reach = half.input(inputs.sample.x).abs().amax(0)
    width = torch.stack([half.weight(w).abs().amax(0) for w in inputs.weights.values()]).amax(0)
    torch.testing.assert_close(reach[torch.from_numpy(live)], width[torch.from_numpy(live)])
    assert half.folds and not fit("smoothquant", replace(inputs, role="o_proj"), "w8a8-token").transform.folds
    with pytest.raises(SpecError, match="alpha cannot be 1.5"):
        parse_method("smoothquant:alpha=1.5")


@given(seed=st.integers(0, 10**6), spec=st.sampled_from(["w4a4-token", "w8a8-tensor", "w4a8-g8-token", "w3a16"]))
@settings(max_examples=10, deadline=None)
def test_a_searched_alpha_is_not_worse_than_any_that_was_tried(seed, spec):
    inputs, parsed = noisy(seed), QuantSpec.parse(spec)
    rows = search_rows(inputs.sample, 256)
    texts = ["smoothquant:search=true", "smoothquant:alpha=0.25", "smoothquant", "smoothquant:alpha=0.9"]
    errors = [output_error(parse_method(text).fit(inputs, parsed).transform, inputs, parsed, *rows) for text in texts]
    assert errors[0] <= min(errors[1:])


def test_osplus_centres_every_channel_and_its_first_threshold_scales_nothing(inputs):
    shift = fit("osplus:steps=1,shift=always", inputs, "w4a4-token").transform
    assert isinstance(shift, Shift)
    centred = in_basis(inputs, shift).summary
    np.testing.assert_allclose(centred.max, -centred.min, atol=1e-12)
    assert float(output_error(shift, inputs, QuantSpec.parse("w16a16"), *search_rows(inputs.sample, 64))) < 1e-6


@given(seed=st.integers(0, 10**6), spec=st.sampled_from(["w4a4-token", "w4a4-tensor", "w4a8-g8-token", "w4a4", "w3a16"]))
@settings(max_examples=15, deadline=None)
def test_osplus_is_not_worse_than_rounding_to_nearest_nor_than_the_shift_alone(seed, spec):
    inputs, parsed = noisy(seed), QuantSpec.parse(spec)
    rows = search_rows(inputs.sample, 256)
    texts = ("osplus", "osplus:shift=never", "osplus:shift=always", "osplus:steps=1,shift=always")
    searched, unshifted, shifted, centred = (
        output_error(parse_method(text).fit(inputs, parsed).transform, inputs, parsed, *rows) for text in texts
    )
    assert searched <= unshifted <= output_error(Identity(), inputs, parsed, *rows)
    assert searched <= shifted <= centred


def test_osplus_leaves_channels_whose_extreme_is_a_single_token_where_they_are():
    """An attention sink moves the middle of the range away from all other tokens."""
    x = np.random.default_rng(0).normal(0, 1, (200, 24))
    x[0, :8] = 500
    inputs = group(x.astype(np.float32))
    found = fit("osplus", inputs, "w4a4-token").transform
    assert float(found.input(torch.zeros(1, 24)).abs().max()) == 0, "no shift"


def total(fit_, inputs, weights=None):
    """Weighted squared error of the outputs with the fit's weights and exact inputs."""
    x, root = search_rows(inputs.sample, 512)
    rows, error = fit_.transform.input(x) * root, 0.0
    for layer, w in inputs.weights.items():
        exact = fit_.transform.weight(w)
        off = rows @ ((weights or fit_.weights)[layer] - exact).T
        error += float(off.double().square().sum())
    return error


@given(seed=st.integers(0, 10**6), spec=st.sampled_from(["w4a16", "w3a16-g8", "w4a16-nf4", "w2a16"]))
@settings(max_examples=15, deadline=None)
def test_awq_best_not_worse_than_ratio0(seed, spec):
    """Nor does the clip make it worse."""
    inputs, parsed = noisy(seed), QuantSpec.parse(spec)
    nearest = fit_weights(inputs, parsed)
    scaled, clipped = (fit(text, inputs, spec) for text in ("awq:clip=false", "awq"))
    start = total(replace(scaled, transform=Identity()), inputs, nearest)
    assert total(clipped, inputs) <= total(scaled, inputs) * (1 + 1e-5) and total(scaled, inputs) <= start * (1 + 1e-5)
    ones = candidate(inputs.summary.mean_abs, 0.0)
    assert torch.equal(ones, torch.ones_like(ones))
    x, root = search_rows(inputs.sample, 512)
    assert weight_error(inputs, parsed, ones, x * root) == pytest.approx(start, rel=1e-4)


def test_awq_gains_where_few_channels_carry_the_signal_and_leaves_queries_unclipped():
    inputs = noisy(4)
    assert total(fit("awq", inputs, "w3a16"), inputs) < 0.7 * total(fit("rtn", inputs, "w3a16"), inputs)
    scaled, clipped = (fit(text, inputs, "w3a16") for text in ("awq:clip=false", "awq"))
    query, other = inputs.weights
    assert torch.equal(scaled.weights[query], clipped.weights[query])
    assert not torch.equal(scaled.weights[other], clipped.weights[other])


def test_quarot_beats_rounding_to_nearest_where_tokens_have_outlier_channels():
    inputs = noisy(1, channels=32)
    x = inputs.sample.x

    def error(text):
        found = fit(text, inputs, "w4a4-token")
        back = found.transform.undo(found.activation.quantize(found.transform.input(x)))
        return float((back - x).square().sum())

    assert error("quarot") < 0.6 * error("rtn")
    one, other = (fit(f"quarot:seed={seed}", inputs, "w4a4-token").transform for seed in (0, 1))
    assert not torch.equal(one.input(x), other.input(x))


@pytest.mark.parametrize(
    "transform",
    [
        Scale(torch.linspace(0.2, 4, 32, dtype=torch.float64)),
        Shift(torch.linspace(-5, 5, 32, dtype=torch.float64)),
        Permutation(torch.arange(31, -1, -1)),
        composed(
            [
                Shift(torch.linspace(-5, 5, 32, dtype=torch.float64)),
                Permutation(torch.arange(32).roll(3)),
                Scale(torch.full((32,), 3.0)),
            ]
        ),
        random_rotation(32, 0),
    ],
    ids=["scale", "shift", "permutation", "composition", "rotation"],
)
def test_statistics_in_another_basis_are_those_of_the_transformed_rows(transform):
    """The sample holds every row once, so that what is taken from it is exact as well."""
    x = draw()
    inputs = group(x)
    inputs = replace(inputs, sample=replace(inputs.sample, weights=torch.ones(len(x), dtype=torch.float64)))
    moved = in_basis(inputs, transform)
    wanted = summarise(transform.input(torch.from_numpy(x).double()).numpy(), inputs.sample.slots.numpy())
    for name in ("count", "min", "max", "mean", "m2", "mean_abs"):
        tolerance = dict(rtol=1e-4, atol=1e-4) if transform.mixes or name == "mean_abs" else dict(rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(getattr(moved.summary, name), getattr(wanted, name), **tolerance, err_msg=name)
    assert list(moved.summary.by_modality) == list(wanted.by_modality)
    for modality, part in wanted.by_modality.items():
        np.testing.assert_allclose(moved.summary.by_modality[modality].max, part.max, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(moved.summary.by_modality[modality].mean_abs, part.mean_abs, rtol=1e-4, atol=1e-4)
    assert torch.equal(moved.sample.x, transform.input(inputs.sample.x)) and moved.channels == 32


def test_channels_that_calibration_never_saw_stay_empty_in_another_basis():
    x = draw()[:0]
    moved = in_basis(group(x), Shift(torch.full((32,), 7.0, dtype=torch.float64))).summary
    assert not moved.count.any() and not moved.min.any() and not moved.max.any()


def test_inputs_in_another_basis_go_with_whoever_holds_them():
    """And need no collection of cycles, which looks at the number of objects and not at their gigabytes."""
    gc.collect()
    gc.disable()
    try:
        moved = in_basis(group(draw()), Scale(torch.linspace(0.2, 4, 32, dtype=torch.float64)))
        weight, rows = (ref(one) for one in (next(iter(moved.weights.values())), moved.sample.x))
        assert all(part.mean_abs.any() for part in moved.summary.by_modality.values())
        del moved
        assert weight() is None and rows() is None
    finally:
        gc.enable()
