"""Transforms: exact changes of basis, alone and composed."""

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from morphoquant.quant.channelwise import Permutation, Scale, Shift
from morphoquant.quant.hadamard import factors, hadamard
from morphoquant.quant.linear import QuantizedLinear
from morphoquant.quant.orthogonal import Orthogonal
from morphoquant.quant.rotation import random_rotation
from morphoquant.quant.transform import Composition, Identity, composed

WIDTHS = [1, 2, 3, 7, 12, 16, 24, 30, 36, 57, 60, 64, 108, 128, 172]


def draw(kind: str, width: int, seed: int):
    rng = np.random.default_rng(seed)
    if kind == "scale":
        # Several in a chain multiply: wider ones would lose the digits that a matrix after them mixes.
        return Scale(torch.from_numpy(np.exp(rng.normal(0, 0.7, width))))
    if kind == "shift":
        return Shift(torch.from_numpy(rng.normal(0, 10, width)))
    if kind == "permutation":
        return Permutation(torch.from_numpy(rng.permutation(width)))
    if kind == "orthogonal":
        return Orthogonal(torch.from_numpy(np.linalg.qr(rng.normal(0, 1, (width, width)))[0]))
    return Identity() if kind == "identity" else random_rotation(width, seed)


KINDS = ["identity", "scale", "shift", "permutation", "rotation", "orthogonal"]


@given(
    kinds=st.lists(st.sampled_from(KINDS), max_size=4),
    width=st.sampled_from(WIDTHS),
    bias=st.booleans(),
    seed=st.integers(0, 10**6),
)
@settings(max_examples=120, deadline=None)
def test_every_chain_of_transforms_leaves_the_linear_as_it_is(kinds, width, bias, seed):
    torch.manual_seed(seed)
    linear = nn.Linear(width, 5, bias=bias).double()
    x = torch.randn(2, 3, width, dtype=torch.float64) * 7
    transform = composed([draw(kind, width, seed + place) for place, kind in enumerate(kinds)])
    layer = QuantizedLinear(linear, partial(transform.weight, linear.weight.detach()), None, None, transform)
    with torch.no_grad():
        before, after = linear(x), layer(x)
    assert float((after - before).abs().max()) <= 1e-10 * max(float(before.abs().max()), 1e-3)
    back = transform.undo(transform.input(x))
    assert float((back - x).abs().max()) <= 1e-10 * float(x.abs().max())


@pytest.mark.parametrize("kind", KINDS[1:])
def test_single_precision_and_half_precision_keep_their_type(kind):
    x, w = torch.randn(6, 24), torch.randn(4, 24)
    transform = draw(kind, 24, 3)
    offset = transform.offset(w)
    out = transform.input(x) @ transform.weight(w).T + (0 if offset is None else offset.float())
    torch.testing.assert_close(out, x @ w.T, rtol=1e-4, atol=1e-3)
    half = x.bfloat16()
    assert transform.input(half).dtype == transform.undo(half).dtype == transform.weight(w.bfloat16()).dtype == torch.bfloat16


ORDERS = [1, 2, 4, 8, 12, 20, 24, 28, 36, 40, 44, 52, 60, 64, 68, 76, 84, 92, 100, 108, 116, 124, 132, 140, 148, 164, 172, 180]


@pytest.mark.parametrize("order", ORDERS)
def test_hadamard_orders(order):
    """The orders of Qwen2.5 are 28 (3584), 172 (11008) and 148 (18944) times a power of two."""
    found = hadamard(order).astype(np.int64)
    assert set(np.unique(found)) <= {-1, 1}
    assert np.array_equal(found @ found.T, order * np.eye(order, dtype=np.int64))


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (2048, (1, 2048)),
        (3584, (28, 128)),
        (18944, (148, 128)),
        (11008, (172, 64)),
        (1280, (20, 64)),
        (576, (36, 16)),
        (1536, (12, 128)),
        (3420, (76, 1)),
        (57, (1, 1)),
        (312, (312, 1)),
        (156, (52, 1)),
    ],
)
def test_factors_of_widths_in_use(width, expected):
    assert factors(width) == expected


@pytest.mark.parametrize("width", [48, 312, 576, 3420, 5])
def test_a_rotation_is_orthogonal_and_seeded(width):
    turned = random_rotation(width, 0).input(torch.eye(width, dtype=torch.float64))
    assert float((turned @ turned.T - torch.eye(width, dtype=torch.float64)).abs().max()) < 1e-12
    again, other = random_rotation(width, 0), random_rotation(width, 1)
    assert torch.equal(again.signs, random_rotation(width, 0).signs) and not torch.equal(again.signs, other.signs)


def test_a_rotation_spreads_an_outlier_channel_and_makes_the_input_normal():
    rng = np.random.default_rng(0)
    x = rng.normal(0, 1, (2000, 576))
    x[:, 7] *= 60
    turned = random_rotation(576, 0).input(torch.from_numpy(x)).numpy()
    kurtosis = [float((((v - v.mean()) / v.std()) ** 4).mean()) for v in (x, turned)]
    assert kurtosis[0] > 100 and kurtosis[1] < 6
    np.testing.assert_allclose(np.square(turned).sum(1), np.square(x).sum(1), rtol=1e-12)


def test_compositions_are_flat_and_say_what_their_parts_say():
    scale, turn = draw("scale", 8, 0), draw("rotation", 8, 0)
    assert isinstance(composed([]), Identity) and composed([Identity(), scale]) is scale
    both = composed([composed([scale, turn]), Identity(), draw("shift", 8, 1)])
    assert isinstance(both, Composition) and len(both.parts) == 3
    assert both.mixes and not both.folds and scale.folds and not scale.mixes
    assert composed([scale, turn]).macs(8) == turn.macs(8) == 8 * 3
    assert composed([turn, scale]).macs(8) == turn.macs(8) + 8, "a scale behind a rotation cannot be folded past it"
