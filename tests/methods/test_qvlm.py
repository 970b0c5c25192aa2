"""Q-VLM: the search of one group, the entropy that joins groups, and their joint search on a block's output."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made_groups import draw, group, summarise
from test_basis_methods import noisy
from torch import nn

from morphoquant.core.errors import SpecError
from morphoquant.core.spec import QuantSpec
from morphoquant.methods.base import Need
from morphoquant.methods.blocks import BlockCall, BlockInputs
from morphoquant.methods.options import parse_method
from morphoquant.methods.output_error import fit_error
from morphoquant.methods.qvlm import QVLM, evenness
from morphoquant.methods.rows import search_rows

SPEC = QuantSpec.parse("w4a4-tensor")


class Block(nn.Module):
    """Three linears one after the other beside a residual path."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(24, 32), nn.Linear(32, 16), nn.Linear(16, 24)

    def forward(self, hidden_states, scale=1.0):
        return hidden_states + scale * self.c(torch.tanh(self.b(nn.functional.gelu(self.a(hidden_states)))))


def block(seed: int) -> BlockInputs:
    """A model of one block, the inputs of its groups and its runs on three sequences."""
    torch.manual_seed(seed)
    model = nn.ModuleDict({"layers": nn.ModuleList([Block()])})
    alone, x = model["layers"][0], noisy(seed).sample.x
    seen = {}
    handles = [
        linear.register_forward_pre_hook(lambda _, args, leaf=leaf: seen.__setitem__(leaf, args[0].detach()))
        for leaf, linear in alone.named_children()
    ]
    with torch.no_grad():
        wanted = alone(x)
    for handle in handles:
        handle.remove()
    calls = [
        BlockCall((), {"scale": 1.0}, "hidden_states", part, part, whole, torch.ones(len(part), dtype=torch.bool))
        for part, whole in zip(x.split(40), wanted.split(40), strict=True)
    ]
    groups = {}
    for leaf, rows in seen.items():
        name = f"layers.0.{leaf}"
        given_ = replace(group(rows.numpy()), group=name, role=leaf, weights={name: getattr(alone, leaf).weight.detach()})
        groups[name] = given_
    return BlockInputs(model, "layers.0", groups, calls)


def joined(block_: BlockInputs) -> dict[str, int]:
    return dict.fromkeys(block_.groups, 0)


def ratios(found, block_):
    return {name: found[name].columns["high"][0] / found[name].columns["base_high"][0] for name in block_.groups}


@given(seed=st.integers(0, 10**6), power=st.sampled_from([0.5, 2.0]), together=st.booleans())
@settings(max_examples=8, deadline=None)
def test_the_joint_search_is_not_worse_than_whole_ranges(seed, power, together):
    given_, method = block(seed), QVLM(power=power)
    found = method.fit_block(given_, SPEC, joined(given_) if together else None)
    nearest = {name: parse_method("rtn").fit(inputs, SPEC) for name, inputs in given_.groups.items()}
    assert given_.error(found, power) <= given_.error(nearest, power)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_descent_ends_where_no_single_ratio_is_better(seed):
    given_, method = block(seed), QVLM(power=2.0, sweeps=20, ratios=4)
    found = method.fit_block(given_, SPEC, joined(given_))
    least = given_.error(found, 2.0)
    tried = {name: method._candidates(inputs, SPEC) for name, inputs in given_.groups.items()}
    for name, fits in tried.items():
        assert all(given_.error({**found, name: one}, 2.0) >= least for one in fits)
    best = min(given_.error(dict(zip(tried, some, strict=True)), 2.0) for some in product(*tried.values()))
    assert best <= least <= 1.25 * best, "near the best of all combinations"


def test_a_joint_search_is_not_worse_than_one_after_the_other_and_often_better():
    better = 0
    for seed in range(6):
        given_, method = block(seed), QVLM(power=2.0)
        apart, together = (
            given_.error(method.fit_block(given_, QuantSpec.parse("w16a4"), parts), 2.0) for parts in (None, joined(given_))
        )
        assert together <= apart
        better += together < apart
    assert better > 1


def test_ratios_are_those_of_the_field_and_weights_are_left_alone():
    given_ = block(5)
    found = QVLM().fit_block(given_, SPEC, joined(given_))
    nearest = {name: parse_method("rtn").fit(inputs, SPEC) for name, inputs in given_.groups.items()}
    allowed = np.linspace(1, 0.4, 7)
    for name, ratio in ratios(found, given_).items():
        assert np.abs(allowed - ratio).min() < 1e-6
        assert torch.equal(found[name].weights[name], nearest[name].weights[name])
    assert any(ratio < 0.99 for ratio in ratios(found, given_).values())
    weights_alone = QVLM().fit_block(given_, QuantSpec.parse("w4a16"), joined(given_))
    assert all(one.activation is None for one in weights_alone.values())


@given(seed=st.integers(0, 10**6), spec=st.sampled_from(["w4a4", "w4a4-tensor", "w16a4"]))
@settings(max_examples=10, deadline=None)
def test_a_group_alone_is_not_worse_than_any_ratio(seed, spec):
    inputs, parsed = noisy(seed), QuantSpec.parse(spec)
    rows = search_rows(inputs.sample, 256)
    least = fit_error(QVLM(power=2.0).fit(inputs, parsed), inputs, *rows)
    tried = [fit_error(parse_method(f"rtn:clip={clip}").fit(inputs, parsed), inputs, *rows) for clip in (1.0, 0.9, 0.6, 0.4)]
    assert least <= min(tried) * (1 + 1e-6)


def test_evenness_is_the_entropy_of_the_rows():
    x = draw(300, 20)
    shares = np.abs(x.astype(np.float64))
    alive = shares.sum(0) > 0
    shares = shares[:, alive] / shares[:, alive].sum(0)
    entropy = -np.log(np.square(shares).sum(0)).mean()
    assert evenness(summarise(x)) == pytest.approx(entropy - np.log(300))
    assert evenness(summarise(np.full((9, 4), -2.0, np.float32))) == pytest.approx(0, abs=1e-12), "as even as can be"
    assert evenness(summarise(np.zeros((9, 4), np.float32))) == 0
    spiky = draw()
    spiky[:1] *= 1000
    assert evenness(summarise(spiky)) < evenness(summarise(draw()))


def test_even_inputs_join_their_predecessor_up_to_the_depth():
    even, spiky = np.full((50, 4), 2.0, np.float32), np.eye(50, 4, dtype=np.float32)
    rows = [even, even, even, even, spiky, spiky, even]
    summaries = {f"g{index}": summarise(x) for index, x in enumerate(rows)}
    assert list(QVLM().survey(summaries).values()) == [1, 1, 1, 2, 3, 4, 4]
    assert list(QVLM(depth=2).survey(summaries).values()) == [1, 1, 2, 2, 3, 4, 4]
    assert QVLM(depth=1).survey(summaries) is None
    assert {Need.MEAN_ABS, Need.MOMENTS} <= QVLM().needs and not {Need.MEAN_ABS, Need.MOMENTS} & QVLM(depth=1).needs


def test_what_it_cannot_do_is_one_sentence():
    with pytest.raises(SpecError, match="clips static ranges of integers and cannot honour 'w4a4-token'"):
        parse_method("qvlm").check(QuantSpec.parse("w4a4-token"))
    for text in ("depth=0", "low=0", "power=nan", "sequences=0"):
        with pytest.raises(SpecError, match=f"qvlm.{text.split('=')[0]} cannot be"):
            parse_method(f"qvlm:{text}")
