"""MASQuant, MQuant and MBQ: what their theory promises, and what they must not be."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made_groups import draw, group, summarise

from morphoquant.core.errors import SpecError
from morphoquant.core.modality import Modality
from morphoquant.core.spec import QuantSpec
from morphoquant.methods.awq import candidate
from morphoquant.methods.base import Need
from morphoquant.methods.compensation import compensation, whitening
from morphoquant.methods.cost import cost_of
from morphoquant.methods.modalities import families, sampled
from morphoquant.methods.options import parse_method
from morphoquant.quant.activation import TokenQuantizer
from morphoquant.quant.channelwise import Scale
from morphoquant.quant.weight import quantize_weight

TEXT, IMAGE, AUDIO = Modality.TEXT, Modality.IMAGE, Modality.AUDIO
seeds = st.integers(0, 10_000)


def fit(text, inputs, spec):
    return parse_method(text).fit(inputs, QuantSpec.parse(spec))


def wide(inputs):
    """The same in float64."""
    weights = {layer: w.double() for layer, w in inputs.weights.items()}
    return replace(inputs, weights=weights, sample=replace(inputs.sample, x=inputs.sample.x.double()))


def loud_images(rows=300, channels=24, factor=20.0):
    """Images are large in some channels, text in others."""
    x = np.random.default_rng(2).standard_normal((rows, channels)).astype(np.float32)
    inputs = group(x, modalities=(TEXT, IMAGE))
    x[1::2, :12] *= factor
    x[0::2, 12:] *= 3
    return replace(inputs, summary=summarise(x, inputs.sample.slots.numpy()))


def output(found, layer, x):
    """Of rows of one modality, as the quantised layer computes it."""
    turned = found.transform.input(x)
    used = turned if found.activation is None else found.activation.quantize(turned)
    y = used @ found.weights[layer].to(x.dtype).T
    return y + found.branches[layer].output(turned) if layer in found.branches else y


def error(found, inputs, modality):
    """Squared error of the outputs of the rows of one modality."""
    x, own = sampled(inputs.sample)[modality].x, found.by_modality.get(modality, found)
    return sum(float((output(own, layer, x) - x @ w.T).double().square().sum()) for layer, w in inputs.weights.items())


@pytest.mark.parametrize("rank", ["1", "0"])
@pytest.mark.parametrize("alpha", [0.2, 0.5, 0.9])
def test_mas_no_quant_invariance(inputs, rank, alpha):
    """Without rounding, outputs do not depend on any modality's scales: exact with a branch of full rank or weights of their own.

    Weights are not rounded here (16 bits), and the quantiser of the input is taken out.
    """
    inputs = wide(inputs)
    found = fit(f"masquant:rank={rank},alpha={alpha}", inputs, "w16a4-token")
    assert set(found.by_modality) == {IMAGE, AUDIO}
    for own in (found, *found.by_modality.values()):
        assert not torch.equal(own.transform.scale, torch.ones(32))
        bare = replace(own, activation=None)
        for layer, w in inputs.weights.items():
            exact = inputs.sample.x @ w.T
            assert float((output(bare, layer, inputs.sample.x) - exact).abs().max()) < 1e-9 * float(exact.abs().max())


def test_equal_statistics_are_smoothquant(inputs):
    """Modalities that do not differ get one scale and nothing to make up for but rounding."""
    part = inputs.summary
    same = replace(inputs, summary=replace(part, by_modality={TEXT: part, IMAGE: part}))
    found, plain = fit("masquant:rank=0", same, "w4a4-token"), fit("smoothquant", inputs, "w4a4-token")
    for own in (found, *found.by_modality.values()):
        assert torch.equal(own.transform.scale, plain.transform.scale)
        assert all(torch.equal(own.weights[layer], plain.weights[layer]) for layer in plain.weights)
        x = inputs.sample.x
        assert torch.equal(own.activation.quantize(x), plain.activation.quantize(x))


def test_cmc_full_rank_exact(inputs):
    """A branch of full rank makes up for the rounding of the stored weight too, down to the last bit that matters."""
    inputs = wide(inputs)
    found = fit("masquant:rank=1", inputs, "w4a16")
    for modality in (IMAGE, AUDIO):
        own = found.by_modality[modality]
        for layer, w in inputs.weights.items():
            assert own.weights[layer] is found.weights[layer], "one weight is stored"
            assert own.branches[layer].rank == min(w.shape)
            exact = inputs.sample.x @ w.T
            assert float((output(own, layer, inputs.sample.x) - exact).abs().max()) < 1e-9 * float(exact.abs().max())
    assert not found.branches and error(found, inputs, TEXT) > 0


@settings(deadline=None, max_examples=50)
@given(seeds, st.integers(2, 7), st.integers(2, 7))
def test_cmc_error_equals_tail_singular_values(seed, outputs, channels):
    """And no other branch of that rank leaves less: neither a random one nor the best one of the weight alone."""
    rng = torch.Generator().manual_seed(seed)
    rows = torch.randn(3 * channels, channels, generator=rng, dtype=torch.float64)
    rows *= torch.logspace(0, 1, channels, dtype=torch.float64)
    wanted, stored = (torch.randn(outputs, channels, generator=rng, dtype=torch.float64) for _ in range(2))
    basis, residual = whitening(rows), (wanted - stored).T
    whiten, back = basis
    torch.testing.assert_close(whiten.T @ whiten, rows.T @ rows, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(whiten @ back, torch.eye(channels, dtype=torch.float64), rtol=1e-8, atol=1e-8)
    singular = torch.linalg.svdvals(rows @ residual)
    plain = torch.linalg.svd(residual, full_matrices=False)
    last = torch.inf
    for rank in range(1, min(outputs, channels) + 1):
        branch = compensation(wanted, stored, basis, rank)
        left = float((rows @ residual - branch.output(rows)).norm())
        assert left == pytest.approx(float(singular[rank:].square().sum().sqrt()), abs=1e-7 * float(singular[0]))
        others = [(plain.U[:, :rank] * plain.S[:rank]) @ plain.Vh[:rank]]
        others.append(branch.inner @ (branch.outer + 0.1 * torch.randn(rank, outputs, generator=rng, dtype=torch.float64)))
        assert all(left <= float((rows @ (residual - other)).norm()) + 1e-7 * float(singular[0]) for other in others)
        assert left <= last + 1e-9
        last = left


def test_fewer_rows_than_channels_leave_a_finite_branch():
    found = fit("masquant:rank=1", group(draw()[:8]), "w4a4-token")
    for own in found.by_modality.values():
        for branch in own.branches.values():
            assert torch.isfinite(branch.inner).all() and torch.isfinite(branch.outer).all()
            assert branch.inner.abs().max() < 1e6


def test_a_scale_for_each_modality_beats_one_for_all_and_rank_buys_error():
    inputs = loud_images()
    one = fit("smoothquant", inputs, "w8a4-token")
    apart = fit("masquant:rank=0", inputs, "w8a4-token")
    for modality in (TEXT, IMAGE):
        assert error(apart, inputs, modality) < error(one, inputs, modality)
    errors = [error(fit(f"masquant:rank={rank}", inputs, "w4a16"), inputs, IMAGE) for rank in (0.2, 0.5, 1)]
    assert errors[0] > errors[1] > errors[2]
    searched = fit("masquant:rank=0,search=true", inputs, "w4a4-token")
    assert error(searched, inputs, TEXT) <= error(fit("masquant:rank=0", inputs, "w4a4-token"), inputs, TEXT) * 1.001


def test_what_masquant_costs(inputs):
    branched, apart, plain = (fit(text, inputs, "w4a4-token") for text in ("masquant:rank=2", "masquant:rank=0", "smoothquant"))
    cost = cost_of(branched)
    assert cost.extra_macs == 32 + 2 * (32 + 8) + 2 * (32 + 4), "a division and two thin products"
    assert cost.extra_bytes == 3 * 32 * 2 + 2 * (2 * (32 + 8) + 2 * (32 + 4)) * 2 and cost.deployable
    assert cost_of(apart).extra_bytes == 3 * 32 * 2 + 2 * 32 * 12 * 4 / 8 and cost_of(apart).extra_macs == 32
    assert cost_of(plain).extra_macs == 0


@pytest.mark.parametrize("rank", ["-1", "1.5", "nan"])
def test_a_rank_is_a_share_or_a_whole_number(rank):
    with pytest.raises(SpecError, match="rank cannot be"):
        parse_method(f"masquant:rank={rank}")


@settings(deadline=None, max_examples=50)
@given(seeds, st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
def test_msq_cancels_under_per_token(seed, text, image):
    """A scale a modality before a dynamic scale a token changes nothing: what an implementation of MQuant must not be."""
    x = torch.randn(6, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    scale = torch.tensor([text, image] * 3, dtype=torch.float64)[:, None]
    rounding = TokenQuantizer(4)
    torch.testing.assert_close(rounding.quantize(x / scale) * scale, rounding.quantize(x), rtol=1e-9, atol=1e-12)


def test_mquant_is_not_that(inputs):
    with pytest.raises(SpecError, match="write it with -tensor"):
        fit("mquant", inputs, "w4a4-token")
    one = loud_images()
    apart, pooled = (fit(text, one, "w16a4-tensor") for text in ("mquant", "rtn"))
    assert error(apart, one, TEXT) < error(pooled, one, TEXT) / 4
    assert error(apart, one, IMAGE) <= error(pooled, one, IMAGE) * (1 + 1e-6)


@settings(deadline=None, max_examples=50)
@given(seeds)
def test_no_modality_has_a_coarser_step_than_all_together(seed):
    rng = np.random.default_rng(seed)
    x = (rng.standard_normal((30, 6)) * rng.lognormal(0, 2, (30, 1))).astype(np.float32)
    inputs = group(x)
    for grid in ("symmetric", "asymmetric"):
        pooled = fit(f"rtn:grid={grid}", inputs, "w16a4-tensor").activation.levels.step
        found = fit(f"mquant:grid={grid}", inputs, "w16a4-tensor")
        steps = {TEXT: found.activation.levels.step, **{m: own.activation.levels.step for m, own in found.by_modality.items()}}
        assert list(steps) == list(families(inputs.summary))
        assert all(step <= pooled * (1 + 1e-6) for step in steps.values())
        widest = {m: max(np.abs(part.min).max(), np.abs(part.max).max()) for m, part in families(inputs.summary).items()}
        if grid == "symmetric":
            assert all(float(steps[m]) == pytest.approx(reach / 7, rel=1e-5) for m, reach in widest.items())


def test_mquant_shares_the_weight_and_goes_with_a_rotation(inputs):
    found = fit("mquant", inputs, "w4a4-tensor")
    assert all(own.weights[layer] is w for own in found.by_modality.values() for layer, w in found.weights.items())
    assert cost_of(found).deployable and cost_of(found).extra_macs == 0
    turned = fit("quarot+mquant", inputs, "w4a4-tensor")
    assert set(turned.by_modality) == {IMAGE, AUDIO}
    probe = torch.linspace(-1, 1, 32)
    for own in turned.by_modality.values():
        assert torch.equal(own.transform.input(probe), turned.transform.input(probe))
        assert not torch.equal(own.transform.input(probe), probe)


def scale_of(found):
    return found.transform.undo(torch.ones(24, dtype=torch.float64))


def deviation(inputs, scale, rho, power):
    """Weight-only error of each candidate, written once more from the formula, in float64."""
    total = 0.0
    for modality, part in sampled(inputs.sample).items():
        for w in inputs.weights.values():
            moved = Scale(scale)
            off = (moved.input(part.x) @ (quantize_weight(moved.weight(w), 3) - moved.weight(w)).T).double().abs() ** power
            total += rho.get(modality, 1.0) * float(part.weights @ off.sum(1))
    return total


@pytest.mark.parametrize(("error", "power"), [("mae", 1), ("mse", 2)])
@pytest.mark.parametrize("rho", [{}, {IMAGE: 0.05}, {IMAGE: 20.0}])
def test_mbq_rho1_equals_mae(error, power, rho):
    """Ratios of 1 are the plain search over all tokens; others weigh rows. Never worse than no scaling, on what it searches."""
    inputs = loud_images()
    found = fit(f"mbq:error={error},image={rho.get(IMAGE, 1)},video=1,audio=1", inputs, "w3a16")
    scales = [candidate(inputs.summary.mean_abs, step / 20) for step in range(20)]
    errors = [deviation(inputs, scale, rho, power) for scale in scales]
    assert deviation(inputs, scale_of(found), rho, power) == pytest.approx(min(errors), rel=1e-4)
    assert (min(errors) < errors[0]) == (rho != {IMAGE: 0.05}), "text alone is served best by no scale"


def test_weights_of_modalities_move_the_scales_and_a_common_factor_does_not():
    inputs = loud_images()
    quiet, loud, plain = (scale_of(fit(f"mbq:image={rho}", inputs, "w3a16")) for rho in (1e-4, 1e4, 1))
    assert not torch.equal(quiet, loud) and not torch.equal(quiet, plain)
    heavier = replace(inputs, sample=replace(inputs.sample, weights=inputs.sample.weights * 8))
    assert torch.equal(scale_of(fit("mbq:image=1", heavier, "w3a16")), plain)
    for rho in ("-1", "nan", "inf"):
        with pytest.raises(SpecError, match="mbq.image cannot be .* above 0, and 0 for the one measured"):
            parse_method(f"mbq:image={rho}")


def test_mbq_takes_the_gradients_of_its_layer_where_rho_is_not_given():
    inputs = loud_images()
    for rho in (1e-4, 0.2, 1e4):
        measured = fit("mbq", replace(inputs, gradients={IMAGE: rho}), "w3a16")
        assert torch.equal(scale_of(measured), scale_of(fit(f"mbq:image={rho},video=1,audio=1", inputs, "w3a16")))
    assert torch.equal(
        scale_of(fit("mbq", replace(inputs, gradients={}), "w3a16")), scale_of(fit("mbq:image=1", inputs, "w3a16"))
    ), "like text where nothing was measured"
    alone = replace(group(draw(), modalities=(IMAGE,)), gradients={IMAGE: 0.0})
    assert torch.isfinite(fit("mbq", alone, "w3a16").transform.undo(torch.ones(32))).all()
    assert Need.GRADIENTS in parse_method("mbq:image=1,audio=1").needs
    assert Need.GRADIENTS not in parse_method("mbq:image=1,audio=1,video=1").needs
