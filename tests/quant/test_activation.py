"""Activation quantisers and the bypass."""

import torch

from morphoquant.quant.activation import StaticQuantizer, TokenQuantizer
from morphoquant.quant.bypass import EVERY_VALUE, Bypass
from morphoquant.quant.grid import range_grid, symmetric_grid
from morphoquant.store.schema import GRIDS


def sample() -> torch.Tensor:
    return torch.randn(40, 6, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 2, 5, 0.1, 1, 30])


def test_static_per_channel_reports_the_columns_of_the_grids_table():
    x = sample()
    low, high = x.amin(0), x.amax(0)
    quantizer = StaticQuantizer(range_grid(low, high, 4), low, high)
    columns = quantizer.grid()
    assert set(columns) == {"low", "high", "step", "zero_point", "code_low", "code_high"}
    assert set(columns) <= set(GRIDS.names)
    assert all(column.shape == (6,) for column in columns.values())
    rebuilt = (torch.arange(-8, 8)[:, None] - torch.from_numpy(columns["zero_point"])) * torch.from_numpy(columns["step"])
    distance = (quantizer.quantize(x)[:, None].double() - rebuilt).abs().amin(1)
    assert distance.max() < 1e-5, "the table alone must give the levels"


def test_static_per_tensor_repeats_its_grid():
    x = sample()
    top = x.abs().max()
    quantizer = StaticQuantizer(symmetric_grid(top, 8), (-top).expand(6), top.expand(6))
    assert (quantizer.grid()["step"] == quantizer.grid()["step"][0]).all()
    assert not quantizer.clipped(x).any()
    assert quantizer.clipped(x * 2).any()


def test_per_token_scales_follow_the_token():
    x = sample()
    quantizer = TokenQuantizer(4)
    assert quantizer.grid() is None
    torch.testing.assert_close(quantizer.quantize(x * 1000), quantizer.quantize(x) * 1000)
    for row, quantized in zip(x, quantizer.quantize(x), strict=True):
        torch.testing.assert_close(quantized, symmetric_grid(row.abs().max(), 4).quantize(row))
    assert not quantizer.clipped(x).any()
    assert TokenQuantizer(4, clip=0.5).clipped(x).any()


def test_bypass_keeps_large_values_of_masked_channels_only():
    x = torch.tensor([[0.0, 3.0, -3.0], [1.0, 1.0, 1.0]])
    bypass = Bypass(torch.tensor([True, True, False]), torch.tensor([0.5, 2.0, 0.0]))
    assert bypass.bypassed(x).tolist() == [[False, True, False], [True, False, False]]
    xq = torch.full_like(x, 0.7)
    assert torch.equal(bypass.apply(x, xq), torch.where(bypass.bypassed(x), x, xq))
    torch.testing.assert_close(xq + bypass.residual(x, xq), bypass.apply(x, xq))
    assert (bypass.residual(x, xq)[~bypass.bypassed(x)] == 0).all()


def test_a_negative_limit_passes_zeros_and_nan_never_bypasses():
    bypass = Bypass(torch.tensor([True, False]), torch.full((2,), EVERY_VALUE))
    assert bypass.bypassed(torch.tensor([[0.0, 0.0], [5.0, 5.0], [torch.nan, 1.0]])).tolist() == [
        [True, False],
        [True, False],
        [False, False],
    ]
