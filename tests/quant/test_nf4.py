"""NF4 and its double quantisation."""

import pytest
import torch

from morphoquant.core.spec import QuantSpec
from morphoquant.quant.double_quant import double_quantize, dynamic_code_book
from morphoquant.quant.nf4 import nf4_levels, quantize_nf4

PUBLISHED = [
    -1.0,
    -0.6961928009986877,
    -0.5250730514526367,
    -0.39491748809814453,
    -0.28444138169288635,
    -0.18477343022823334,
    -0.09105003625154495,
    0.0,
    0.07958029955625534,
    0.16093020141124725,
    0.24611230194568634,
    0.33791524171829224,
    0.44070982933044434,
    0.5626170039176941,
    0.7229568362236023,
    1.0,
]


def test_nf4_levels_and_bits():
    torch.testing.assert_close(nf4_levels(), torch.tensor(PUBLISHED), atol=1e-6, rtol=0)
    assert QuantSpec.parse("w4a16-nf4").bits_per_weight == pytest.approx(4.127, abs=5e-4)


def test_nf4_double_quant_roundtrip():
    w = torch.randn(64, 256, generator=torch.Generator().manual_seed(0))
    scales = w.reshape(-1, 64).abs().amax(1)
    stored = double_quantize(scales)
    spread = (scales - scales.mean()).abs().max()
    assert (stored - scales).abs().max() <= spread * 0.0071, "half the widest gap of the code book: 0.9/64 of the top decade"
    single, double = quantize_nf4(w, double=False), quantize_nf4(w)
    assert not torch.equal(single, double)
    assert (single - double).square().sum() < 0.01 * (single - w).square().sum()


def test_code_book():
    book = dynamic_code_book()
    assert len(book) == len(book.unique()) == 256
    assert torch.equal(book, book.sort().values)
    assert 0.0 in book and book.max() == 1.0
    assert book.min() == pytest.approx(-(1 - 0.9 / 128), abs=1e-6)


def test_each_weight_goes_to_its_nearest_level():
    w = torch.randn(8, 64, generator=torch.Generator().manual_seed(1))
    scale = w.abs().amax(1, keepdim=True)
    gaps = ((w / scale)[..., None] - nf4_levels()).abs()
    nearest = nf4_levels()[gaps.argmin(-1)] * scale
    torch.testing.assert_close(quantize_nf4(w, double=False), nearest)
    again = quantize_nf4(quantize_nf4(w, double=False), double=False)
    assert torch.equal(again, quantize_nf4(w, double=False))


def test_odd_shapes_and_zeros():
    w = torch.randn(5, 13, generator=torch.Generator().manual_seed(2))
    assert quantize_nf4(w).shape == w.shape
    assert torch.equal(quantize_nf4(torch.zeros(3, 64)), torch.zeros(3, 64))
    assert torch.isfinite(quantize_nf4(torch.zeros(3, 50).index_fill(1, torch.tensor([4]), 2.0))).all()
