"""Number formats other than integers: anchors of the methods notes, section 1, and the laws of section 15."""

import pytest
import torch
from fixtures.decibels import sqnr_db
from hypothesis import given, settings
from hypothesis import strategies as st

from morphoquant.core.spec import ACTIVATION_FORMATS, FORMAT_BITS, QuantSpec
from morphoquant.quant.bypass import Bypass
from morphoquant.quant.formats import ACTIVATIONS, FormatQuantizer, quantize_weight_in
from morphoquant.quant.hif4 import HIF4
from morphoquant.quant.nvfp4 import nvfp4

FORMATS = {**ACTIVATIONS, "nvfp4 of a tensor": nvfp4("tensor"), "nvfp4 alone": nvfp4("none")}
SCALED_BY_POWERS = [name for name in FORMATS if name not in ("hif8", "nvfp4 alone")]
seeds = st.integers(0, 2**32 - 1)


def draw(seed: int, *shape: int, tails: bool = True) -> torch.Tensor:
    """Normal values, with some large ones among them."""
    random = torch.Generator().manual_seed(seed)
    x = torch.randn(*shape, generator=random)
    return torch.where(torch.rand(*shape, generator=random) < 0.02, 12 * x, x) if tails else x


@pytest.fixture(scope="module")
def normal():
    return draw(0, 512, 4096, tails=False)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("nf4", 20.7), ("mxfp4", 18.8), ("nvfp4", 20.4), ("hif4", 21.6), ("hif8", 31.5), ("e4m3", 31.5), ("e5m2", 25.6)],
)
def test_quant_anchor_sqnr_of_formats(normal, name, expected):
    assert sqnr_db(normal, quantize_weight_in(name, normal)) == pytest.approx(expected, abs=0.1)
    if name in ACTIVATIONS:
        assert sqnr_db(normal, FormatQuantizer(name).quantize(normal)) == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize("above", ["tensor", "row", "none"])
def test_hif4_gaussian_ratio_to_nvfp4(normal, above):
    errors = [float((kind.quantize(normal) - normal).square().mean()) for kind in (HIF4, nvfp4(above))]
    assert errors[0] / errors[1] == pytest.approx(0.76, abs=0.02)


def test_the_formats_of_specs_are_those_that_can_be_computed():
    assert set(ACTIVATION_FORMATS) == {"int", *ACTIVATIONS}
    for name, bits in FORMAT_BITS.items():
        assert quantize_weight_in(name, torch.ones(2, 64)).shape == (2, 64)
        assert name == "nf4" or ACTIVATIONS[name].bits == bits


def test_bits_with_the_share_of_the_scales():
    wanted = {"nf4": 4.127, "mxfp4": 4.25, "nvfp4": 4.5, "hif4": 4.5, "hif8": 8, "e4m3": 8, "e5m2": 8}
    specs = {name: QuantSpec.parse(f"w{bits}a16-w{name}") for name, bits in FORMAT_BITS.items()}
    assert {name: round(spec.bits_per_weight, 3) for name, spec in specs.items()} == wanted
    assert [QuantSpec.parse(text).bits_per_weight for text in ("w4a4", "w4a4-g128", "w16a8")] == [4, 4.125, 16]


# Not HiF4, whose scale may change, nor NVFP4 alone, whose scale of a small block is a subnormal E4M3 with few bits.
@pytest.mark.parametrize("name", [name for name in FORMATS if name not in ("hif4", "nvfp4 alone")])
@settings(deadline=None, max_examples=50)
@given(seed=seeds, width=st.integers(1, 100))
def test_rounding_twice_is_rounding_once(name, seed, width):
    once = FORMATS[name].quantize(draw(seed, 3, width))
    torch.testing.assert_close(FORMATS[name].quantize(once), once, rtol=1e-6, atol=0)


@settings(deadline=None, max_examples=50)
@given(seed=seeds, scale=st.integers(-20, 10), mantissa=st.sampled_from([1.0, 1.25, 1.5, 1.75]))
def test_hif4_rounded_twice_is_rounded_once_where_the_scale_stays(seed, scale, mantissa):
    unit = mantissa * 2.0**scale
    x = draw(seed, 4, 64).clamp(-6, 6) * unit
    x[:, 9] = 7 * unit
    once = HIF4.quantize(x)
    assert torch.equal(once[:, 9], x[:, 9])
    assert torch.equal(HIF4.quantize(once), once)


@pytest.mark.parametrize("name", FORMATS)
@settings(deadline=None, max_examples=50)
@given(seed=seeds)
def test_signs_and_order_of_size_stay(name, seed):
    kind, x = FORMATS[name], draw(seed, 2, 96)
    q = kind.quantize(x)
    assert torch.equal(kind.quantize(-x), -q)
    assert (q * x >= 0).all()
    block = slice(0, kind.block or 96)
    if name != "hif4":
        order = x[0, block].abs().argsort()
        assert (q[0, block].abs()[order].diff() >= 0).all(), "a larger value is never rounded to a smaller one"


@pytest.mark.parametrize("name", SCALED_BY_POWERS)
@settings(deadline=None, max_examples=50)
@given(seed=seeds, power=st.integers(-20, 10))
def test_scales_follow_powers_of_two_exactly(name, seed, power):
    kind, x = FORMATS[name], draw(seed, 2, 96)
    assert torch.equal(kind.quantize(x * 2.0**power), kind.quantize(x) * 2.0**power)


@pytest.mark.parametrize("name", ["hif8", "mxfp4", "e4m3", "e5m2"])
@settings(deadline=None, max_examples=50)
@given(top=st.integers(-18, 15))
def test_powers_of_two_are_exact(name, top):
    depth = 3 if name == "mxfp4" else 12
    x = 2.0 ** torch.arange(top, max(top - depth, -22) - 1, -1.0)
    x = torch.cat([x, -x]).clamp(-(2.0**top), 2.0**top)[None]
    tolerance = 0 if name in ("hif8", "mxfp4") else 1e-6
    torch.testing.assert_close(ACTIVATIONS[name].quantize(x), x, rtol=tolerance, atol=0)


@pytest.mark.parametrize("name", FORMATS)
def test_blocks_of_zeros_are_zeros(name):
    kind, size = FORMATS[name], FORMATS[name].block or 64
    assert torch.equal(kind.quantize(torch.zeros(3, 2 * size)), torch.zeros(3, 2 * size))
    x = torch.cat([torch.zeros(3, size), draw(0, 3, size)], dim=1)
    q = kind.quantize(x)
    assert (q[:, :size] == 0).all() and (q[:, size:] != 0).any()
    assert not kind.clipped(torch.zeros(3, size)).any()


@pytest.mark.parametrize("name", FORMATS)
@settings(deadline=None, max_examples=50)
@given(seed=seeds, width=st.integers(1, 150))
def test_widths_that_blocks_do_not_divide(name, seed, width):
    kind, x = FORMATS[name], draw(seed, 2, 3, width)
    filled = torch.cat([x, torch.zeros(2, 3, -width % (kind.block or 64))], dim=-1)
    assert kind.quantize(x).shape == kind.clipped(x).shape == x.shape
    assert torch.equal(kind.quantize(x), kind.quantize(filled)[..., :width])


@pytest.mark.parametrize("name", [name for name, kind in FORMATS.items() if kind.block])
def test_blocks_run_along_the_last_axis_and_know_nothing_of_each_other(name):
    kind, x = FORMATS[name], draw(1, 5, 256)
    changed = x.clone()
    # The largest value stays the largest, so that a scale above the blocks stays as well.
    x[:, -1] = changed[:, -1] = 100
    changed[:, : kind.block] *= 0.3
    rounded, other = kind.quantize(x), kind.quantize(changed)
    assert torch.equal(rounded[:, kind.block :], other[:, kind.block :])
    assert not torch.equal(rounded[:, : kind.block], other[:, : kind.block])


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_token_is_rounded_alike_in_any_company(name):
    x = draw(2, 6, 80) * torch.tensor([1e-3, 1.0, 50.0, 1.0, 1e-2, 3.0])[:, None]
    together = FormatQuantizer(name).quantize(x)
    assert torch.equal(together, torch.cat([FormatQuantizer(name).quantize(row[None]) for row in x]))


def test_the_scale_above_the_blocks_of_nvfp4_serves_small_weights(normal):
    small = normal[:64] * 1e-3
    assert sqnr_db(small, quantize_weight_in("nvfp4", small)) == pytest.approx(20.4, abs=0.1)
    assert sqnr_db(small, nvfp4("none").quantize(small)) < 15


def test_what_is_clipped():
    x = torch.zeros(1, 64)
    x[0, 0], x[0, 1], x[0, 40] = 7.9, 6.9, -7.01
    assert ACTIVATIONS["mxfp4"].clipped(x).nonzero()[:, 1].tolist() == [0, 40]
    assert ACTIVATIONS["mxfp4"].quantize(x)[0, [0, 1, 40]].tolist() == [6, 6, -6]
    assert not ACTIVATIONS["nvfp4"].clipped(x).any() and not ACTIVATIONS["e4m3"].clipped(x).any()
    # 7.8 / 7 goes to the scale 1, whose largest level is 7.
    x[0, 0], x[0, 1], x[0, 40] = 7.8, 7.4, 1.9
    assert HIF4.clipped(x).nonzero()[:, 1].tolist() == [0, 40]
    x[0, 0] = 4e4
    assert ACTIVATIONS["hif8"].clipped(x).nonzero()[:, 1].tolist() == [0]


@pytest.mark.parametrize("name", FORMATS)
def test_half_precision_and_nan(name):
    kind, x = FORMATS[name], draw(3, 4, 70).bfloat16()
    assert kind.quantize(x).dtype == torch.bfloat16
    assert torch.equal(kind.quantize(x), kind.quantize(x.float()).bfloat16())
    assert kind.quantize(x.double()).dtype == torch.float64
    x[2, 5] = torch.nan
    assert kind.quantize(x)[2, 5].isnan()


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_bypassed_values_are_zero_to_their_block(name):
    x = draw(4, 30, 128)
    x[:, 3] = 300
    bypass = Bypass(torch.arange(128) == 3, torch.full((128,), 50.0))
    quantizer = FormatQuantizer(name, bypass)
    assert quantizer.grid() is None
    rest = x.clone()
    rest[:, 3] = 0
    assert torch.equal(quantizer.quantize(x), ACTIVATIONS[name].quantize(rest))
    assert not quantizer.clipped(x)[:, 3].any()
    assert torch.equal(quantizer.to("cpu").quantize(x), quantizer.quantize(x))
    beside = slice(4, 16)
    errors = [(kind.quantize(x) - x)[:, beside].square().mean() for kind in (quantizer, FormatQuantizer(name))]
    if name == "hif8":
        assert errors[0] == errors[1], "there is no scale that a large value could spoil"
    else:
        assert errors[0] < errors[1]
