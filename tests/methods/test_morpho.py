"""DABC, MDQFO and MorphoQuant: the tests of the methods notes, section 3.6, and the reference code's rules."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from made_groups import draw, group, summarise

from morphoquant.core.spec import QuantSpec
from morphoquant.methods.base import TokenSample
from morphoquant.methods.morpho.edges import base_edges, density_floor
from morphoquant.methods.morpho.mask import channel_mask, channel_scores, pool_scores
from morphoquant.methods.morpho.search import Placement, clip_ratios, search_ratio_index
from morphoquant.methods.morpho.settings import PAPER, REFERENCE
from morphoquant.methods.morpho.token_cosine import refine_ratio_index
from morphoquant.methods.options import parse_method
from morphoquant.quant.bypass import EVERY_VALUE
from morphoquant.quant.grid import range_grid
from morphoquant.quant.linear import QuantizedLinear

W4A4 = QuantSpec.parse("w4a4")


def fit(text, inputs, spec=W4A4):
    method = parse_method(text)
    return method.fit(inputs, spec, method.survey({inputs.group: inputs.summary}))


def corrected(found, x):
    xq = found.activation.quantize(x)
    return xq if found.correction is None else found.correction.apply(x, xq)


def test_morpho_mask_all_lam0_exact(down):
    """Masked and lam=0: those columns are full precision; all masked: the output is W_Q x, to the last bit."""
    found = fit("morphoquant:lam=0", down)
    assert found.columns["masked"].all() and found.bypass_density == 1.0
    x = torch.cat([down.sample.x, torch.zeros(1, down.channels), torch.full((1, down.channels), 1e4)])
    assert torch.equal(corrected(found, x), x)
    linear = torch.nn.Linear(down.channels, 8)
    weight = found.weights[down.group]
    layer = QuantizedLinear(linear, lambda: weight, found.activation, found.correction, found.transform)
    assert torch.equal(layer(x), torch.nn.functional.linear(x, weight, linear.bias))


def test_masked_columns_alone_are_exact_under_the_papers_full_residual(inputs):
    found = fit("morphoquant:variant=paper", inputs)
    masked = found.columns["masked"]
    assert 0 < masked.sum() < len(masked)
    x = inputs.sample.x
    out = corrected(found, x)
    assert torch.equal(out[:, masked], x[:, masked])
    assert not torch.equal(out[:, ~masked], x[:, ~masked])
    assert found.bypass_density == pytest.approx(masked.mean())
    assert (found.columns["bypass_limit"][masked] == 0).all()


def test_morpho_no_mask_equals_static(inputs):
    """Nothing masked and nothing searched is RTN with the range quantiser, one-signed channels apart."""
    found = fit("dabc:sigma=1000", inputs)
    plain = fit("rtn:grid=range", inputs)
    assert not found.columns["masked"].any()
    assert found.bypass_density == 0.0
    two_signed = inputs.summary.min * inputs.summary.max <= 0
    x = inputs.sample.x
    assert torch.equal(corrected(found, x)[:, two_signed], corrected(plain, x)[:, two_signed])
    symmetric = fit("dabc:sigma=1000,one_signed=symmetric", inputs)
    assert torch.equal(corrected(symmetric, x), corrected(plain, x))


def test_morpho_bypass_density_reported(inputs, down):
    for text in ("dabc", "morphoquant"):
        for part in (inputs, down):
            found = fit(text, part)
            kept = found.correction.bypassed(part.sample.x).double().mean(1)
            assert found.bypass_density == pytest.approx(float((kept * part.sample.weights).sum() / part.sample.weights.sum()))
            assert 0 < found.bypass_density < 1
    assert fit("mdqfo", inputs).bypass_density is None
    nothing = TokenSample(inputs.sample.x[:0], inputs.sample.slots[:0], inputs.sample.weights[:0])
    assert fit("morphoquant", replace(inputs, sample=nothing)).bypass_density is None


def test_without_a_search_equals_raw_edges_where_min_is_minus_max():
    """DABC at ratio 1 equals the ablation `sparse_noboundary` on such channels."""
    x = draw()
    x[:, 9:] = np.clip(x[:, 9:], -3, 3)
    x[0, 9:], x[1, 9:] = 3, -3
    inputs = group(x)
    inner, raw = fit("dabc", inputs), fit("dabc:edge=minmax", inputs)
    even = inputs.summary.min == -inputs.summary.max
    assert even.sum() > 15
    assert torch.equal(corrected(inner, inputs.sample.x)[:, even], corrected(raw, inputs.sample.x)[:, even])
    assert fit("dabc", inputs).columns["high"] == pytest.approx(fit("dabc", inputs).columns["base_high"])


def brute_force(x, weights, low, high, masked, settings, bits=4):
    """Scores [ratios, K] in float64, written once more from the formula."""
    scores = []
    for ratio in clip_ratios(settings):
        grid = range_grid(ratio * low, ratio * high, bits)
        hat = grid.quantize(x)
        limit = settings.lam * ratio * torch.maximum(low.abs(), high.abs())
        hat = torch.where(masked & (x.abs() > limit), x, hat)
        scores.append(-((hat - x).abs() ** settings.p * weights[:, None]).sum(0) / weights.sum())
    return torch.stack(scores)


@pytest.mark.parametrize("p", [0.5, 2.0, 2.4, 3.0])
def test_one_batch_gives_that_batchs_best_ratio(inputs, p):
    settings = replace(REFERENCE, p=p, search_batches=1, ema=0.5)
    found = fit(f"morphoquant:p={p},search_batches=1", inputs)
    low, high = (torch.from_numpy(found.columns[name]) for name in ("base_low", "base_high"))
    sample = inputs.sample
    scores = brute_force(sample.x.double(), sample.weights, low, high, found.correction.mask, settings)
    ratio = found.columns["high"] / np.where(found.columns["base_high"] == 0, np.nan, found.columns["base_high"])
    index = np.round(np.log(ratio) / np.log(settings.ratio_low) * (settings.ratio_count - 1))
    held = np.isfinite(index)
    chosen = scores[index[held].astype(int), np.flatnonzero(held)]
    assert torch.allclose(chosen, scores.max(0).values[held], rtol=1e-4, atol=1e-9)
    assert len(np.unique(index[held])) > 3, "the search must have something to find"


def test_batches_are_averaged_exponentially(inputs):
    settings = replace(REFERENCE, search_batches=3, ema=0.5)
    low, high = inputs.summary.min, inputs.summary.max
    top = torch.from_numpy(np.maximum(np.abs(low), np.abs(high)))
    none = torch.zeros(inputs.channels, dtype=torch.bool)
    placement = Placement(-top, top, none, torch.full((inputs.channels,), EVERY_VALUE), 4)
    index = search_ratio_index(inputs.sample, placement, settings)
    order = torch.from_numpy(np.random.default_rng(0).permutation(len(inputs.sample.x)))
    mean = None
    for rows in torch.tensor_split(order, 3):
        scores = brute_force(inputs.sample.x[rows].double(), inputs.sample.weights[rows], -top, top, none, settings)
        mean = scores if mean is None else 0.5 * mean + 0.5 * scores
    assert torch.allclose(mean.gather(0, index[None])[0], mean.max(0).values, rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize("text", ["morphoquant", "dabc", "mdqfo", "morphoquant:cos=channel,max_bypass_density=0.02"])
def test_permuting_channels_commutes(text):
    x = draw()
    order = np.random.default_rng(3).permutation(x.shape[1])
    straight, permuted = fit(text, group(x)), fit(text, group(np.ascontiguousarray(x[:, order])))
    for name in ("masked", "base_low", "base_high", "low", "high", "step", "zero_point", "bypass_limit"):
        np.testing.assert_allclose(permuted.columns[name], straight.columns[name][order], rtol=1e-9, err_msg=name)


def test_the_mask_finds_the_dispersed_channels_and_the_search_uses_their_bypass(inputs):
    columns = fit("morphoquant", inputs).columns
    assert np.flatnonzero(columns["masked"]).tolist() == [7, 8]
    assert columns["score"][7] == pytest.approx(
        (inputs.summary.max[7] - inputs.summary.min[7]) / np.log1p(inputs.summary.mean_abs[7] + 1e-5)
    )
    x = inputs.sample.x
    plain, masked = (corrected(fit(text, inputs), x) - x for text in ("mdqfo", "morphoquant"))
    assert masked[:, 7].square().sum() < plain[:, 7].square().sum() / 10


def test_sample_weights_stand_for_tokens(inputs):
    """A row of weight two is the row twice."""
    sample = inputs.sample
    twice = torch.repeat_interleave(torch.arange(len(sample.x)), sample.weights.long())
    ones = torch.ones(len(twice), dtype=torch.float64)
    unrolled = replace(inputs, sample=TokenSample(sample.x[twice], sample.slots[twice], ones))
    one, other = (fit("morphoquant:search_batches=1", part) for part in (inputs, unrolled))
    assert np.array_equal(one.columns["high"], other.columns["high"])
    assert one.bypass_density == pytest.approx(other.bypass_density)


def test_edges_of_every_kind_of_channel():
    low = np.array([-3.0, -3.0, 1.0, -5.0, 0.0, 0.0, -2.0, 0.0, 1.75])
    high = np.array([7.0, 7.0, 4.0, -2.0, 6.0, 6.0, 0.0, 0.0, 1.75])
    masked = np.array([False, True, True, False, False, True, True, True, True])
    left, right = base_edges(low, high, masked, REFERENCE)
    assert left.tolist() == [-7, -3, 1, -5, -6, 0, -2, 0, 1.75], "a masked channel that starts at 0 keeps its raw range"
    assert right.tolist() == [7, 3, 4, -2, 6, 6, 0, 0, 1.75]
    left, right = base_edges(low, high, masked, PAPER)
    outer = np.maximum(np.abs(low), np.abs(high))
    assert np.array_equal(left, -outer) and np.array_equal(right, outer)
    left, right = base_edges(low, high, masked, replace(REFERENCE, one_signed="symmetric"))
    assert right.tolist() == [7, 3, 4, 5, 6, 6, 2, 0, 1.75] and np.array_equal(left, -right)


def test_a_masked_channel_that_touches_zero_keeps_its_grid(inputs):
    """The reference code gives it a grid of width 1e-8, and every value but zero bypasses."""
    found = fit("morphoquant", inputs)
    assert found.columns["masked"][8] and inputs.summary.min[8] == 0
    assert found.columns["step"][8] > 0.1
    assert found.correction.bypassed(inputs.sample.x)[:, 8].double().mean() < 0.1


def test_reference_masks_every_down_projection_and_the_paper_does_not(inputs, down):
    assert fit("dabc", down).columns["masked"].all()
    assert not fit("dabc", inputs).columns["masked"].all()
    assert not fit("dabc:variant=paper", down).columns["masked"].all()
    assert not fit("dabc:mask_all_roles=none", down).columns["masked"].all()
    assert fit("dabc:mask_all_roles=q_proj", inputs).columns["masked"].all()


def test_the_model_wide_threshold_comes_from_the_survey():
    quiet, loud = summarise(draw(seed=5)[:, 9:]), summarise(draw(seed=6)[:, 9:] * 50)
    settings = replace(REFERENCE, mask_scope="global", sigma=1.0)
    population = pool_scores([quiet, loud], settings)
    assert len(population) == 2 * len(quiet.min)
    assert pool_scores([quiet, loud], REFERENCE) is None
    masks = [channel_mask(channel_scores(part, settings), "q_proj", settings, population) for part in (quiet, loud)]
    limit = population.mean() + population.std(ddof=1)
    assert not masks[0].any() and masks[1].any()
    assert np.array_equal(masks[1], channel_scores(loud, settings) >= limit)
    either = replace(settings, mask_scope="either")
    local = replace(settings, mask_scope="local")
    for part in (quiet, loud):
        score = channel_scores(part, settings)
        union = channel_mask(score, "", settings, population) | channel_mask(score, "", local, None)
        assert np.array_equal(channel_mask(score, "", either, population), union)


def test_channels_without_values_are_never_masked():
    summary = summarise(draw())
    summary = replace(summary, count=np.where(np.arange(len(summary.count)) == 7, 0, summary.count))
    score = channel_scores(summary, REFERENCE)
    assert np.isnan(score[7])
    assert not channel_mask(score, "q_proj", REFERENCE, None)[7]


@pytest.mark.parametrize("density", [0.0, 0.01, 0.1])
def test_bypass_density_can_be_capped(down, density):
    free, capped = fit("morphoquant", down), fit(f"morphoquant:max_bypass_density={density}", down)
    flags = capped.correction.bypassed(down.sample.x).double()
    shares = (down.sample.weights @ flags) / down.sample.weights.sum()
    assert (shares <= density + 1e-9).all()
    assert capped.bypass_density < free.bypass_density
    x = down.sample.x
    assert (corrected(capped, x) - x).square().sum() > (corrected(free, x) - x).square().sum()


def test_density_floor_is_the_smallest_limit_that_holds(down):
    floor = density_floor(down.sample, np.arange(down.channels) % 2 == 0, 0.05)
    weights = down.sample.weights / down.sample.weights.sum()
    assert (floor[1::2] == EVERY_VALUE).all()
    for channel in range(0, down.channels, 2):
        values = down.sample.x[:, channel].abs()
        assert weights[values > floor[channel]].sum() <= 0.05
        assert weights[values >= floor[channel]].sum() > 0.05


def test_a_bypass_penalty_counters_the_degenerate_objective(down):
    """At lam = 0.8 whatever would be clipped bypasses without error, so the smallest ratio wins everywhere."""
    free, fined = fit("morphoquant", down), fit("morphoquant:bypass_penalty=3", down)
    searched = slice(9, None)
    ratios = free.columns["high"][searched] / free.columns["base_high"][searched]
    assert (ratios < 0.61).mean() > 0.8
    assert fined.bypass_density < free.bypass_density / 2


def loss(sample, hat, settings):
    share = (sample.weights / sample.weights.sum())[:, None]
    error = ((hat - sample.x).double().abs() ** settings.p * share).sum(0).mean()
    return float(
        error + settings.cos_weight * (1 - (torch.cosine_similarity(sample.x.double(), hat.double()) * share[:, 0]).sum())
    )


def test_the_token_cosine_lowers_the_joint_objective(inputs):
    """The separable optimum is the start; coordinate descent may only improve on it, and does."""
    settings = replace(PAPER, cos_weight=5.0)
    low, high = base_edges(inputs.summary.min, inputs.summary.max, np.zeros(inputs.channels, bool), settings)
    masked = torch.arange(inputs.channels) == 7
    placement = Placement(torch.from_numpy(low), torch.from_numpy(high), masked, torch.full((inputs.channels,), EVERY_VALUE), 3)
    start = search_ratio_index(inputs.sample, placement, settings)
    end = refine_ratio_index(inputs.sample, placement, settings, start)
    ratios = clip_ratios(settings)

    def hat(index):
        quantised = placement.grid(ratios[index], settings).quantize(inputs.sample.x)
        return placement.bypass(ratios[index], settings).apply(inputs.sample.x, quantised)

    assert not torch.equal(start, end)
    assert loss(inputs.sample, hat(end), settings) < loss(inputs.sample, hat(start), settings) - 1e-4


def test_variants_differ_where_they_should(inputs):
    reference, paper = (fit(f"morphoquant:variant={name}", inputs) for name in ("reference", "paper"))
    assert set(reference.columns["code_low"]) == {-8} and set(paper.columns["code_low"]) == {-7}
    assert reference.columns["low"][1] > 0 > paper.columns["low"][1], "one-signed channels: raw range against symmetric"
    assert (paper.columns["low"] == -paper.columns["high"]).all()
