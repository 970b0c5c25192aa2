"""The one quantiser: anchors of the methods notes, section 1, and its laws."""

import pytest
import torch
from fixtures.decibels import sqnr_db

from morphoquant.core.errors import SpecError
from morphoquant.quant.grid import asymmetric_grid, range_grid, symmetric_grid
from morphoquant.quant.nf4 import quantize_nf4
from morphoquant.quant.weight import quantize_weight


@pytest.fixture(scope="module")
def normal():
    return torch.randn(512, 4096, generator=torch.Generator().manual_seed(0))


ANCHORS = {
    "INT8 symmetric a row": (41.2, lambda w: quantize_weight(w, 8)),
    "INT4 symmetric a row": (16.0, lambda w: quantize_weight(w, 4)),
    "INT4 asymmetric a row": (17.1, lambda w: quantize_weight(w, 4, symmetric=False)),
    "INT4 symmetric g128": (18.6, lambda w: quantize_weight(w, 4, group=128)),
    "INT4 symmetric g64": (19.4, lambda w: quantize_weight(w, 4, group=64)),
    "INT4 asymmetric g128": (20.0, lambda w: quantize_weight(w, 4, group=128, symmetric=False)),
    "INT4 one clip at 2.35 sigma": (19.3, lambda w: symmetric_grid(torch.tensor(2.35), 4).quantize(w)),
    "NF4 b64": (20.7, lambda w: quantize_nf4(w, double=False)),
    "NF4 b64 with double quantisation": (20.7, quantize_nf4),
}


@pytest.mark.parametrize("name", ANCHORS)
def test_quant_anchor_sqnr(normal, name):
    expected, quantize = ANCHORS[name]
    assert sqnr_db(normal, quantize(normal)) == pytest.approx(expected, abs=0.1)


GRIDS = {
    "symmetric": lambda low, high, bits: symmetric_grid(torch.maximum(low.abs(), high.abs()), bits),
    "restricted": lambda low, high, bits: symmetric_grid(torch.maximum(low.abs(), high.abs()), bits, restricted=True),
    "asymmetric": asymmetric_grid,
    "range": range_grid,
    "odd range": lambda low, high, bits: range_grid(low, high, bits, odd=True),
}


def channels() -> torch.Tensor:
    """Two-signed, one-signed, constant, zero and tiny channels, [500, 8]."""
    x = torch.randn(500, 8, generator=torch.Generator().manual_seed(1))
    x[:, 1] = x[:, 1].abs() + 3
    x[:, 2] = -x[:, 2].abs() * 100 - 5
    x[:, 3] = 2.5
    x[:, 4] = 0
    x[:, 5] = x[:, 5].relu()
    x[:, 6] *= 1e-6
    x[0, 7] = 3000
    return x


@pytest.mark.parametrize("kind", GRIDS)
@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_quant_idempotent(kind, bits):
    x = channels()
    grid = GRIDS[kind](x.amin(0), x.amax(0), bits)
    once = grid.quantize(x)
    assert torch.isfinite(once).all()
    assert torch.equal(grid.quantize(once), once)


@pytest.mark.parametrize("kind", GRIDS)
def test_error_is_at_most_half_a_step_inside_and_the_quantiser_is_monotone(kind):
    x = channels().double().sort(dim=0).values
    grid = GRIDS[kind](x.amin(0), x.amax(0), 4)
    xq = grid.quantize(x)
    inside = ~grid.clipped(x)
    assert (((xq - x).abs() <= grid.step / 2 * (1 + 1e-9)) | ~inside).all()
    assert (xq.diff(dim=0) >= 0).all()
    codes = grid.codes(x)
    assert codes.min() >= grid.code_low and codes.max() <= grid.code_high
    assert len(codes[:, 0].unique()) <= 2**4


def test_range_quant_lopsided_grid():
    edges = torch.rand(4096, generator=torch.Generator().manual_seed(2)) * 10 + 1e-3
    for kind in (torch.float32, torch.float64):
        a = edges.to(kind)
        grid = range_grid(-a, a, 4)
        assert (grid.zero_point == 0).all()
        assert (grid.code_low, grid.code_high) == (-8, 7)
        torch.testing.assert_close(grid.lowest, -a * 16 / 15)
        torch.testing.assert_close(grid.highest, a * 14 / 15)
    levels = range_grid(torch.tensor(-1.5), torch.tensor(1.5), 4).quantize(torch.linspace(-3, 3, 1001))
    torch.testing.assert_close(levels.unique(), torch.arange(-8, 8) * 0.2)


def test_odd_range_on_symmetric_edges_is_the_restricted_symmetric_grid():
    a = torch.rand(100, generator=torch.Generator().manual_seed(3)) + 0.1
    x = torch.randn(50, 100, generator=torch.Generator().manual_seed(4)) * 2
    odd, restricted = range_grid(-a, a, 4, odd=True), symmetric_grid(a, 4, restricted=True)
    assert (odd.zero_point == 0).all() and (odd.code_low, odd.code_high) == (-7, 7)
    torch.testing.assert_close(odd.quantize(x), restricted.quantize(x))


def test_range_keeps_one_signed_ranges_and_the_guarded_asymmetric_grid_keeps_zero():
    x = torch.linspace(5, 6, 200)
    assert (range_grid(x.min(), x.max(), 4).quantize(x) - x).abs().max() <= 1 / 15
    guarded, bare = (asymmetric_grid(x.min(), x.max(), 4, include_zero=zero) for zero in (True, False))
    assert (guarded.quantize(x) - x).abs().max() <= 6 / 15 / 2 + 1e-6
    assert (bare.quantize(x) - x).abs().max() > 4, "without the guard the one-signed range is lost, as in the AWQ code"


def test_full_and_restricted_range_differ_only_once_clipped():
    x = torch.randn(1000, generator=torch.Generator().manual_seed(5))
    full, restricted = (symmetric_grid(x.abs().max(), 4, restricted=choice) for choice in (False, True))
    assert torch.equal(full.quantize(x), restricted.quantize(x))
    full, restricted = (symmetric_grid(x.abs().max() / 2, 4, restricted=choice) for choice in (False, True))
    assert not torch.equal(full.quantize(x), restricted.quantize(x))


def test_half_precision_input_gets_a_float32_grid():
    a = (torch.rand(2000, generator=torch.Generator().manual_seed(6)) + 0.1).bfloat16()
    grid = range_grid(-a, a, 4)
    assert grid.step.dtype == torch.float32
    assert (grid.zero_point == 0).all(), "computed in bfloat16, a tenth of the zero points would flip"


def test_clipped_is_beyond_half_a_step():
    grid = symmetric_grid(torch.tensor(7.0), 4)
    x = torch.tensor([-9.0, -8.51, -8.49, 0.0, 7.49, 7.51])
    assert grid.clipped(x).tolist() == [True, True, False, False, False, True]


def test_weight_granularities_agree_where_they_must():
    w = torch.randn(6, 32, generator=torch.Generator().manual_seed(7))
    assert torch.equal(quantize_weight(w, 4, group=32), quantize_weight(w, 4))
    torch.testing.assert_close(quantize_weight(w, 4, group=8)[:, 8:16], quantize_weight(w[:, 8:16], 4))
    whole = quantize_weight(w, 4, per_tensor=True)
    assert len(whole.unique()) <= 16
    clipped = quantize_weight(w, 4, clip=0.5)
    assert (clipped.abs().amax(1) <= w.abs().amax(1) * 0.5 * 8 / 7 + 1e-6).all()


def test_a_group_that_does_not_divide_names_the_layer():
    with pytest.raises(SpecError, match=r"layers\.3\.fc1 in groups of 24: it has 32 input channels"):
        quantize_weight(torch.randn(2, 32), 4, group=24, layer="layers.3.fc1")
