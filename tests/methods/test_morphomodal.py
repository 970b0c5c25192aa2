"""MorphoQuant by modality: the methods notes, section 3.6 A, C and D, section 3.7, and the bypass budget."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made_groups import draw, group, summarise

from morphoquant.core.errors import SpecError
from morphoquant.core.modality import MODALITIES, Modality
from morphoquant.core.spec import QuantSpec
from morphoquant.methods.cost import cost_of
from morphoquant.methods.modalities import families, sampled
from morphoquant.methods.morpho.budget import affordable
from morphoquant.methods.morpho.modal import LEVELS
from morphoquant.methods.options import parse_method
from morphoquant.quant.bypass import Bypass

TEXT, IMAGE, AUDIO = Modality.TEXT, Modality.IMAGE, Modality.AUDIO


def fit(text, inputs, spec="w4a4", others=()):
    method = parse_method(text)
    summaries = {one.group + str(place): one.summary for place, one in enumerate((inputs, *others))}
    return method.fit(inputs, QuantSpec.parse(spec), method.survey(summaries))


def rounded(found, x):
    turned = found.transform.input(x)
    xq = found.activation.quantize(turned)
    return found.transform.undo(xq if found.correction is None else found.correction.apply(turned, xq))


def uneven(rows=300):
    """Nine rows in ten are images with large values in some channels, the rest is text with small ones."""
    rng = np.random.default_rng(4)
    x = rng.standard_normal((rows, 24)).astype(np.float32)
    inputs = group(x, modalities=(IMAGE,) * 9 + (TEXT,))
    text = np.arange(rows) % 10 == 9
    x[~text, :8] *= 8
    x[text, 16:] *= 4
    ones = torch.ones(rows, dtype=torch.float64)
    slots = inputs.sample.slots.numpy()
    return replace(inputs, summary=summarise(x, slots), sample=replace(inputs.sample, x=torch.from_numpy(x), weights=ones))


def errors_by_modality(found, inputs, p):
    """Mean |error|^p of each channel by modality [modalities, K]."""
    held = []
    for modality, part in sampled(inputs.sample).items():
        share = part.weights / part.weights.sum()
        own = found.by_modality.get(modality, found)
        held.append(share @ (rounded(own, part.x) - part.x).double().abs() ** p)
    return torch.stack(held)


def test_balanced_votes_lower_the_balanced_error_and_token_votes_that_of_tokens():
    """Each objective is lowest, channel by channel, where it was searched for."""
    inputs = uneven()
    equal, tokens = (fit(f"morphomodal:bypass_budget=1,balance={by},sigma=1000,p=2", inputs) for by in ("equal", "tokens"))
    shares = torch.tensor([0.1, 0.9], dtype=torch.float64)
    by_equal, by_tokens = (errors_by_modality(one, inputs, 2) for one in (equal, tokens))
    assert (by_equal.mean(0) <= by_tokens.mean(0) * (1 + 1e-5)).all() and by_equal.mean(0).sum() < by_tokens.mean(0).sum()
    assert (shares @ by_tokens <= (shares @ by_equal) * (1 + 1e-5)).all()
    assert by_equal[0].sum() < by_tokens[0].sum(), "text gains"


def test_without_modalities_and_budget_it_is_morphoquant(inputs, down):
    for one in (inputs, down):
        plain = fit("morphoquant:search_batches=1", one)
        same = fit("morphomodal:masks=pooled,balance=tokens,bypass_budget=1", one)
        for name in ("masked", "base_low", "base_high", "high", "bypass_limit", "score"):
            np.testing.assert_allclose(same.columns[name], plain.columns[name], rtol=1e-6, err_msg=name)
        assert same.bypass_density == pytest.approx(plain.bypass_density)


def test_masks_by_modality_and_their_union():
    """A channel that is dispersed in images alone is an outlier of images and of the union, and of all tokens it is none."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((400, 32)).astype(np.float32)
    labels = (TEXT, IMAGE)
    # Large throughout in text, rarely large in images: over all tokens its mean magnitude hides that.
    x[0::2, 3] = 300 * np.sign(x[0::2, 3])
    x[1::2, 5] *= 0.01
    x[1:40:2, 5] = 40
    inputs = group(x, modalities=labels)
    union, each = (fit(f"morphomodal:masks={masks},bypass_budget=1", inputs) for masks in ("union", "each"))
    assert set(each.by_modality) == {IMAGE}
    image, text = each.by_modality[IMAGE].correction.mask, each.correction.mask
    assert image[5] and not text[5]
    assert torch.equal(union.correction.mask, image | text)
    assert not fit("morphomodal:masks=pooled,bypass_budget=1", inputs).correction.mask[5]
    rows = sampled(inputs.sample)
    assert not each.correction.bypassed(rows[TEXT].x)[:, 5].any()
    assert each.by_modality[IMAGE].correction.bypassed(rows[IMAGE].x)[:, 5].any()


def test_a_model_wide_threshold_is_taken_by_modality(inputs):
    loud = replace(inputs, group="loud", summary=summarise(draw(seed=6) * 50, inputs.sample.slots.numpy()))
    quiet = fit("morphomodal:mask_scope=global,bypass_budget=1", inputs, others=[loud])
    assert not quiet.columns["masked"].any()
    assert fit("morphomodal:mask_scope=global,bypass_budget=1", loud, others=[inputs]).columns["masked"].any()


tables = st.integers(1, 3).flatmap(
    lambda channels: st.integers(1, 3).flatmap(
        lambda options: st.tuples(
            st.lists(st.lists(st.integers(0, 20), min_size=channels, max_size=channels), min_size=options, max_size=options),
            st.lists(st.lists(st.integers(0, 8), min_size=channels, max_size=channels), min_size=options, max_size=options),
            st.lists(st.integers(0, 40), min_size=channels, max_size=channels),
            st.integers(0, 8),
        )
    )
)


@settings(deadline=None, max_examples=50)
@given(tables)
def test_nothing_that_takes_no_more_costs_less(table):
    """Against every choice there is; one more option of each channel takes nothing."""
    cost, share, free, budget = table
    cost = torch.tensor([*cost, free], dtype=torch.float64)
    share = torch.tensor([*share, [0] * len(free)], dtype=torch.float64) / 8
    index = affordable(cost, share, budget / 8)
    every = torch.arange(len(free))
    paid, used = float(cost[index, every].sum()), float(share[index, every].mean())
    assert used <= budget / 8 + 1e-12
    for other in product(range(len(cost)), repeat=len(free)):
        other = torch.tensor(other)
        if float(share[other, every].mean()) <= used + 1e-12:
            assert paid <= float(cost[other, every].sum()) + 1e-6


@settings(deadline=None, max_examples=50)
@given(tables, st.integers(0, 8))
def test_a_larger_budget_never_costs_more(table, more):
    cost, share, free, budget = table
    cost = torch.tensor([*cost, free], dtype=torch.float64)
    share = torch.tensor([*share, [0] * len(free)], dtype=torch.float64) / 8
    every = torch.arange(len(free))
    small, large = (float(cost[affordable(cost, share, b / 8), every].sum()) for b in (budget, budget + more))
    assert large <= small + 1e-6


@pytest.mark.parametrize("masks", ["pooled", "union", "each"])
@pytest.mark.parametrize("budget", [0.0, 0.003, 0.02])
def test_the_bypass_keeps_to_its_budget_and_uses_it(down, masks, budget):
    """Also where every channel is masked and the objective would bypass without end."""
    found = fit(f"morphomodal:bypass_budget={budget},masks={masks},lam=0.5", down)
    share = 0.0
    for modality, part in sampled(down.sample).items():
        flags = found.by_modality.get(modality, found).correction.bypassed(part.x).double()
        share += float(part.weights @ flags.mean(1)) / float(down.sample.weights.sum())
    assert found.bypass_density == pytest.approx(share, abs=1e-12)
    assert share <= budget + 1e-12 and share >= budget * 0.5
    assert fit("morphomodal:bypass_budget=1,lam=0.5", down).bypass_density > 0.05


def test_under_one_budget_it_loses_less_than_a_cap_a_channel(down):
    """Spending the budget where it saves most, against every channel's largest values."""
    capped = fit("morphoquant:search_batches=1,max_bypass_density=0.01", down)
    free = fit(f"morphomodal:balance=tokens,masks=pooled,bypass_budget={capped.bypass_density}", down)
    assert free.bypass_density <= capped.bypass_density
    norms = sum(w.square().sum(0) for w in down.weights.values()).sqrt()
    share = down.sample.weights / down.sample.weights.sum()
    costs = [
        float(share @ ((rounded(one, down.sample.x) - down.sample.x).abs() * norms).double().pow(3).sum(1))
        for one in (free, capped)
    ]
    assert costs[0] < costs[1]


def test_levels_follow_each_modality_and_are_never_worse_than_none():
    inputs = uneven()
    one, two = (fit(f"morphomodal:two_level={flag},p=2", inputs) for flag in ("false", "true"))
    assert set(two.by_modality) == {IMAGE} and two.columns is None and not one.by_modality
    ratio = two.by_modality[IMAGE].activation.levels.step / two.activation.levels.step
    assert torch.allclose(ratio, ratio[:1].expand_as(ratio), rtol=1e-5), "one factor for all channels"
    assert (
        ratio[0] > 1 and min(abs(float(two.activation.levels.step[0] / one.activation.levels.step[0]) - b) for b in LEVELS) < 1e-5
    )
    norms = sum(w.double().square().sum(0) for w in inputs.weights.values()).sqrt() ** 2
    before, after = (errors_by_modality(found, inputs, 2) @ norms for found in (one, two))
    assert (after <= before * (1 + 1e-6)).all() and after[0] < before[0]


def test_one_modality_alone_needs_no_labels():
    for modality in (TEXT, AUDIO):
        found = fit("morphomodal:two_level=true,masks=each", group(draw(), modalities=(modality,)))
        assert not found.by_modality and found.columns is not None


@pytest.mark.parametrize(
    "extra", ["", ",two_level=true", ",one_signed=symmetric,symmetric_edge=odd", ",two_level=true,masks=each"]
)
def test_morpho_fold_matches_unfused(inputs, extra):
    """Inputs are rounded to the same values, one-signed channels too; without weights to round so are the outputs."""
    plain, folded = (fit(f"morphomodal:fold={flag}{extra}", inputs, "w16a4") for flag in ("false", "true"))
    assert plain.by_modality.keys() == folded.by_modality.keys()
    x = inputs.sample.x
    for modality in (None, *plain.by_modality):
        one, two = (found if modality is None else found.by_modality[modality] for found in (plain, folded))
        assert two.activation.levels.step.numel() == 1
        exact, turned = rounded(one, x), two.transform.input(x)
        xq = two.correction.apply(turned, two.activation.quantize(turned))
        # A value halfway between two levels may go either way.
        off = (two.transform.undo(xq) - exact).abs() > 1e-3 * one.activation.levels.step
        assert off.double().mean() < 1e-3
        for layer, w in inputs.weights.items():
            keep = ~off.any(1)
            wanted, found = exact[keep] @ w.T, xq[keep] @ two.weights[layer].T
            assert torch.allclose(found, wanted, rtol=1e-3, atol=1e-3 * float(wanted.abs().max()))


def test_folding_makes_the_product_one_of_integers(inputs):
    plain, folded = (fit(f"morphomodal:two_level=true,fold={flag}", inputs) for flag in ("false", "true"))
    assert not cost_of(plain).deployable and cost_of(folded).deployable
    codes = folded.activation.levels.codes(folded.transform.input(inputs.sample.x))
    assert torch.equal(codes, codes.round()) and codes.min() >= -8 and codes.max() <= 7
    assert cost_of(folded).extra_macs == pytest.approx(folded.bypass_density * 32 * 12)


def test_rows_of_no_modality_of_their_own_count_as_text():
    labels = (TEXT, Modality.SPECIAL, Modality.UNKNOWN, IMAGE)
    x = draw()
    inputs = group(x, modalities=labels)
    parts = families(inputs.summary)
    assert list(parts) == [TEXT, IMAGE]
    slots = inputs.sample.slots.numpy() // 2
    text = np.isin(slots, [MODALITIES.index(one) for one in labels[:3]])
    wanted = summarise(x[text])
    for name in ("count", "min", "max", "mean_abs", "mean", "m2"):
        np.testing.assert_allclose(getattr(parts[TEXT], name), getattr(wanted, name), rtol=1e-9, atol=1e-9)
    rows = sampled(inputs.sample)
    assert torch.equal(rows[TEXT].x, torch.from_numpy(x[text])) and len(rows[IMAGE].x) == (~text).sum()


def test_formats_take_masks_by_modality_and_no_levels(inputs):
    found = fit("morphomodal:masks=each", inputs, "w4a4-mxfp4")
    assert found.by_modality and isinstance(found.by_modality[IMAGE].activation.bypass, Bypass)
    for extra in ("fold", "two_level"):
        with pytest.raises(SpecError, match="steps of integers"):
            fit(f"morphomodal:{extra}=true", inputs, "w4a4-mxfp4")
    with pytest.raises(SpecError, match="at most 1"):
        parse_method("morphomodal:bypass_budget=2")
