"""GPTQ, LLM.int8(), ZeroQuant, Atom and EasyQuant: what theory promises of each."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made_groups import draw, group

from morphoquant.core.errors import SpecError
from morphoquant.core.spec import QuantSpec
from morphoquant.methods.easyquant import CosineSearch
from morphoquant.methods.gptq import quadratic_error
from morphoquant.methods.gptq_rounding import Carrying, Rounding, carried
from morphoquant.methods.options import parse_method
from morphoquant.methods.rows import search_rows
from morphoquant.quant.activation import TokenQuantizer
from morphoquant.quant.grouped import GroupQuantizer, SplitQuantizer, WithoutChannels
from morphoquant.quant.linear import QuantizedLinear
from morphoquant.quant.weight import quantize_weight


def fit(text, inputs, spec):
    return parse_method(text).fit(inputs, QuantSpec.parse(spec))


def correlated(seed, rows=300, channels=32):
    rng = np.random.default_rng(seed)
    mixing = rng.normal(0, 1, (6, channels))
    x = rng.normal(0, 1, (rows, 6)) @ mixing + 0.2 * rng.normal(0, 1, (rows, channels))
    return group(x.astype(np.float32))


@given(
    seed=st.integers(0, 10**6),
    bits=st.integers(2, 8),
    size=st.sampled_from([None, 8, 16]),
    act_order=st.booleans(),
    scale=st.floats(1e-3, 1e3),
)
@settings(max_examples=25, deadline=None)
def test_gptq_identity_hessian_is_rtn(seed, bits, size, act_order, scale):
    w = torch.randn(7, 48, generator=torch.Generator().manual_seed(seed))
    rows, how = (scale / 2) ** 0.5 * torch.eye(48, dtype=torch.float64), Rounding(bits, size, 0.01, act_order)
    found = carried(w, Carrying.over(rows, how), how)
    assert torch.equal(found, quantize_weight(w, bits, group=size))


@given(
    seed=st.integers(0, 10**6),
    spec=st.sampled_from(["w4a16", "w3a16", "w2a16-g8", "w4a16-g16"]),
    text=st.sampled_from(["gptq", "gptq:act_order=true", "gptq:damping=0.1"]),
)
@settings(max_examples=20, deadline=None)
def test_gptq_is_not_worse_than_rtn_on_its_calibration_data(seed, spec, text):
    inputs = correlated(seed)
    x, root = search_rows(inputs.sample, 4096)
    rows = (x * root).double()
    found, nearest = fit(text, inputs, spec), fit("rtn", inputs, spec)
    for layer, w in inputs.weights.items():
        errors = [quadratic_error(one.weights[layer] - w, rows) for one in (found, nearest)]
        assert bool((errors[0] <= errors[1] * (1 + 1e-9)).all())


@pytest.mark.parametrize("spec", ["w4a16", "w3a16", "w3a16-g8"])
@pytest.mark.parametrize("text", ["gptq", "gptq:act_order=true"])
def test_gptq_beats_rtn(text, spec):
    """By far on correlated inputs, also on rows that it did not see."""
    inputs = correlated(5)
    unseen = correlated(5, rows=600).sample.x[300:]
    sums = [0.0, 0.0]
    for place, one in enumerate((fit(text, inputs, spec), fit("rtn", inputs, spec))):
        for layer, w in inputs.weights.items():
            sums[place] += float((unseen @ (one.weights[layer] - w).T).square().sum())
    assert sums[0] < 0.6 * sums[1]


def test_gptq_crosses_blocks_and_takes_the_columns_in_their_order():
    """Against the textbook loop that removes one column after the other from the inverse Hessian."""
    torch.manual_seed(0)
    w, x = torch.randn(3, 150, dtype=torch.float64), torch.randn(400, 150, dtype=torch.float64) @ torch.randn(150, 150).double()
    hessian = 2 * x.T @ x / 400
    how = Rounding(4, None, 0.01, False)
    found = carried(w, Carrying.over(x / 20, how), how)
    inverse = torch.linalg.inv(hessian + 0.01 * hessian.diagonal().mean() * torch.eye(150, dtype=torch.float64))
    step = w.abs().amax(1, keepdim=True) / 7
    left, wanted = w.clone(), torch.empty_like(w)
    for column in range(150):
        wanted[:, column] = ((left[:, column] / step[:, 0]).round().clamp(-8, 7)) * step[:, 0]
        off = (left[:, column] - wanted[:, column]) / inverse[column, column]
        left -= off[:, None] * inverse[column]
        inverse = inverse - torch.outer(inverse[:, column], inverse[column]) / inverse[column, column]
    assert float((found - wanted).abs().max()) < 1e-6


def test_gptq_takes_integers_alone_and_rounds_unused_columns_to_nearest(inputs):
    with pytest.raises(SpecError, match="nf4 weights in 'w4a16-nf4': choose integer weights, or use rtn"):
        fit("gptq", inputs, "w4a16-nf4")
    found, nearest = fit("gptq", inputs, "w4a16"), fit("rtn", inputs, "w4a16")
    for layer in inputs.weights:
        assert torch.equal(found.weights[layer][:, 6], nearest.weights[layer][:, 6]), "channel 6 is always zero"


def layer_of(found, w):
    linear = torch.nn.Linear(w.shape[1], w.shape[0], bias=False)
    linear.weight.data = w.clone()
    weight = next(iter(found.weights.values()))
    return linear, QuantizedLinear(linear, lambda: weight, found.activation, found.correction, found.transform)


def test_llmint8_threshold_limits(inputs):
    """At 0 it is the full-precision product, at a threshold beyond all values plain rounding by token and output channel."""
    w, x = next(iter(inputs.weights.values())), inputs.sample.x
    linear, all_exact = layer_of(fit("llm_int8:threshold=0", inputs, "w8a8-token"), w)
    torch.testing.assert_close(all_exact(x), linear(x), rtol=1e-6, atol=1e-5)
    _, none_exact = layer_of(fit("llm_int8:threshold=1e30", inputs, "w8a8-token"), w)
    _, plain = layer_of(fit("rtn", inputs, "w8a8-token"), w)
    assert torch.equal(none_exact(x), plain(x))
    with pytest.raises(SpecError, match="threshold cannot be inf"):
        parse_method("llm_int8:threshold=inf")


def test_llmint8_passes_whole_columns_which_widen_no_scale(inputs):
    found = fit("llm_int8:threshold=20", inputs, "w4a4-token")
    mask = found.correction.mask
    assert 0 < int(mask.sum()) < len(mask) and found.bypass_density == pytest.approx(float(mask.double().mean()))
    x = inputs.sample.x
    used = found.correction.apply(x, found.activation.quantize(x))
    assert torch.equal(used[:, mask], x[:, mask])
    assert torch.equal(used[:, ~mask], TokenQuantizer(4).quantize(x[:, ~mask]))
    for layer, w in inputs.weights.items():
        assert torch.equal(found.weights[layer][:, mask], w[:, mask])
        assert torch.equal(found.weights[layer][:, ~mask], quantize_weight(w[:, ~mask], 4))
    assert found.extra_weight_bits == int(mask.sum()) * 12 * (16 - 4)


def test_zeroquant_is_rounding_by_group_and_token(inputs):
    found, named = fit("zeroquant:group=16", inputs, "w4a4-token"), fit("rtn", inputs, "w4a4-g16-token")
    assert all(torch.equal(found.weights[layer], named.weights[layer]) for layer in found.weights)
    given = fit("zeroquant:group=16", inputs, "w4a4-g8-token")
    assert all(torch.equal(w, quantize_weight(inputs.weights[layer], 4, group=8)) for layer, w in given.weights.items())
    odd = group(draw(channels=44))
    found = fit("zeroquant", odd, "w4a4-token")
    assert all(torch.equal(w, quantize_weight(odd.weights[layer], 4, group=44)) for layer, w in found.weights.items())
    with pytest.raises(SpecError, match="write it with -token"):
        fit("zeroquant", inputs, "w4a4")


def test_atom_keeps_the_strongest_channels_in_eight_bits(inputs):
    found = fit("atom:outliers=4,share=1,weight_clip=1,clip=1", inputs, "w4a4-token")
    energy = inputs.sample.x.double().square().sum(0)
    last = set(found.transform.order[-4:].tolist())
    assert last == set(energy.argsort(descending=True)[:4].tolist())
    for layer, w in inputs.weights.items():
        turned = w[:, found.transform.order]
        assert torch.equal(found.weights[layer][:, :-4], quantize_weight(turned[:, :-4], 4))
        assert torch.equal(found.weights[layer][:, -4:], quantize_weight(turned[:, -4:], 8))
    x = found.transform.input(inputs.sample.x)
    assert torch.equal(found.activation.quantize(x)[:, -4:], TokenQuantizer(8).quantize(x[:, -4:]))
    assert found.extra_weight_bits == 4 * 12 * 4


def test_atom_without_outliers_or_clipping_is_rounding_in_groups(inputs):
    found = fit("atom:outliers=0,clip=1,weight_clip=1,group=32", inputs, "w4a4-g16-token")
    nearest = fit("rtn", inputs, "w4a4-g16-token")
    assert all(torch.equal(found.weights[layer], nearest.weights[layer]) for layer in found.weights)
    assert torch.equal(found.activation.quantize(inputs.sample.x), nearest.activation.quantize(inputs.sample.x))


def test_group_split_and_masked_quantisers_are_token_quantisers_of_their_parts():
    x = torch.randn(3, 2, 20)
    token = TokenQuantizer(4, 0.8)
    groups = GroupQuantizer(token, 8)
    wanted = torch.cat([token.quantize(x[..., start : start + 8]) for start in (0, 8, 16)], -1)
    assert torch.equal(groups.quantize(x), wanted)
    assert torch.equal(groups.clipped(x)[..., 8:16], token.clipped(x[..., 8:16])) and bool(groups.clipped(x).any())
    split = SplitQuantizer(groups, TokenQuantizer(8), 4)
    assert torch.equal(split.quantize(x)[..., -4:], TokenQuantizer(8).quantize(x[..., -4:]))
    mask = torch.arange(20) % 5 == 0
    left = WithoutChannels(token, mask)
    assert torch.equal(left.quantize(x)[..., ~mask], token.quantize(x[..., ~mask])) and not left.quantize(x)[..., mask].any()


@given(
    seed=st.integers(0, 10**6), spec=st.sampled_from(["w4a4-token", "w4a4-tensor", "w3a8", "w4a16", "w16a4-token", "w4a4-nf4"])
)
@settings(max_examples=15, deadline=None)
def test_easyquant_is_not_worse_than_where_it_starts(seed, spec):
    inputs, parsed = correlated(seed, rows=100), QuantSpec.parse(spec)
    search = CosineSearch(inputs, parsed, *search_rows(inputs.sample, 256), [1.0])
    assert search.score(fit("easyquant", inputs, spec)) >= search.score(fit("rtn", inputs, spec))


def test_easyquant_gains_on_heavy_tails_and_changes_nothing_without_a_search():
    inputs = group(draw(rows=300))
    parsed = QuantSpec.parse("w3a3-token")
    search = CosineSearch(inputs, parsed, *search_rows(inputs.sample, 256), [1.0])
    assert search.score(fit("easyquant", inputs, "w3a3-token")) > search.score(fit("rtn", inputs, "w3a3-token")) + 0.005
    start, nearest = fit("easyquant:ratios=1", inputs, "w4a4"), fit("rtn", inputs, "w4a4")
    assert all(torch.equal(start.weights[layer], nearest.weights[layer]) for layer in start.weights)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the system does not count a process's peak anew")
def test_gptq_holds_one_square_matrix_of_its_input():
    """Of wide inputs, where one takes gigabytes: it is factored, inverted and factored again where it stands."""
    rows = torch.randn(64, 2304, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = held("VmRSS")
    carrying = Carrying.over(rows, Rounding(4, None, 0.01, False))
    grown = (held("VmHWM") - before) / carrying.factor.nbytes
    assert 0.9 < grown < 1.9


def held(which: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(which))
