"""Elements of the small formats against their bit patterns, every code of them."""

import itertools

import pytest
import torch

from morphoquant.quant.hif4 import HIF4
from morphoquant.quant.hif8 import HIF8
from morphoquant.quant.minifloat import E2M1, E4M3, E5M2, E6M2, MiniFloat, binary_floor


def decode(code: int, exponent: int, mantissa: int) -> float:
    """Magnitude of a code of an IEEE-like format with the usual bias."""
    bias = 2 ** (exponent - 1) - 1
    power, fraction = code >> mantissa, (code & (2**mantissa - 1)) / 2**mantissa
    return fraction * 2.0 ** (1 - bias) if power == 0 else (1 + fraction) * 2.0 ** (power - bias)


# E4M3 gives one code to NaN, E5M2 a whole exponent to infinity and NaN.
E2M1_TABLE = [decode(code, 2, 1) for code in range(8)]
E4M3_TABLE = [decode(code, 4, 3) for code in range(127)]
E5M2_TABLE = [decode(code, 5, 2) for code in range(124)]


def hif8(code: int) -> float:
    """Magnitude of a code of HiF8: a prefix code for the width of the exponent, then exponent and mantissa."""
    bits = f"{code:07b}"
    if bits.startswith("0000"):
        return 2.0 ** (int(bits[4:], 2) - 23) if code else 0.0
    prefix, width = next(
        (prefix, width) for prefix, width in (("11", 4), ("10", 3), ("01", 2), ("001", 1), ("0001", 0)) if bits.startswith(prefix)
    )
    rest = bits[len(prefix) :]
    power = 0
    if width:
        # Sign and magnitude; the leading one of the magnitude is not stored.
        power = int("1" + rest[1:width], 2) * (-1 if rest[0] == "1" else 1)
    fraction = rest[width:]
    return (1 + int(fraction, 2) / 2 ** len(fraction)) * 2.0**power


# 0x6f is infinity.
HIF8_TABLE = sorted(hif8(code) for code in range(128) if code != 0x6F)

ELEMENTS = {
    "E2M1": (E2M1.round, E2M1_TABLE),
    "E4M3": (E4M3.round, E4M3_TABLE),
    "E5M2": (E5M2.round, E5M2_TABLE),
    "HiF8": (HIF8.element, HIF8_TABLE),
}
# Every float16 value, which holds the ties of all these formats.
HALVES = torch.arange(-(2**15), 2**15).to(torch.int16).view(torch.float16).float()
HALVES = HALVES[HALVES.isfinite()]


def test_the_tables():
    assert E2M1_TABLE == [0, 0.5, 1, 1.5, 2, 3, 4, 6]
    assert (E4M3_TABLE[1], E4M3_TABLE[-1]) == (2.0**-9, 448)
    assert (E5M2_TABLE[1], E5M2_TABLE[-1]) == (2.0**-16, 57344)
    assert len(set(HIF8_TABLE)) == 127 and (HIF8_TABLE[1], HIF8_TABLE[-1]) == (2.0**-22, 2.0**15)


@pytest.mark.parametrize("name", ELEMENTS)
def test_every_code_is_its_own_rounding(name):
    element, table = ELEMENTS[name]
    levels = torch.tensor(table)
    assert torch.equal(element(levels), levels)
    assert torch.equal(element(-levels), -levels)


@pytest.mark.parametrize("name", ELEMENTS)
def test_every_value_goes_to_the_nearest_code(name):
    element, table = ELEMENTS[name]
    levels = torch.tensor(table, dtype=torch.float64)
    levels = torch.cat([-levels.flip(0), levels])
    for x in (HALVES, HALVES * 2.0**-10, HALVES * 37.5):
        rounded = element(x.clone()).double()
        place = torch.searchsorted(levels, rounded)
        assert torch.equal(levels[place.clamp_max(len(levels) - 1)], rounded), "only levels come out"
        around = torch.searchsorted(levels, x.double())
        best = torch.minimum(*((levels[(around - k).clamp(0, len(levels) - 1)] - x.double()).abs() for k in (0, 1)))
        assert torch.equal((rounded - x.double()).abs(), best)


@pytest.mark.parametrize("name", ["E2M1", "E4M3", "E5M2"])
def test_ties_go_to_the_even_code(name):
    element, table = ELEMENTS[name]
    middles = torch.tensor([(low + high) / 2 for low, high in itertools.pairwise(table)])
    wanted = torch.tensor([table[code + code % 2] for code in range(len(table) - 1)])
    assert torch.equal(element(middles), wanted)


def test_ties_of_hif8_go_away_from_zero():
    middles = torch.tensor([(low + high) / 2 for low, high in itertools.pairwise(HIF8_TABLE)])
    assert torch.equal(HIF8.element(middles), torch.tensor(HIF8_TABLE[1:]))
    assert torch.equal(HIF8.element(-middles), -torch.tensor(HIF8_TABLE[1:]))


@pytest.mark.parametrize(("kind", "dtype"), [(E4M3, torch.float8_e4m3fn), (E5M2, torch.float8_e5m2)])
def test_fp8_is_the_type_of_that_name(kind: MiniFloat, dtype):
    x = HALVES[HALVES.abs() <= kind.largest]
    assert torch.equal(kind.round(x), x.to(dtype).float())
    assert kind.round(torch.tensor([1e9, -torch.inf])).tolist() == [kind.largest, -kind.largest]


def test_scale_of_hif4_has_every_quarter_of_a_binade():
    table = torch.tensor([(1 + quarter / 4) * 2.0**power for power in range(-48, 16) for quarter in range(4)])[:-1]
    assert table.max() == E6M2.largest
    assert torch.equal(E6M2.round(table), table)


def hif4_row(e2: int, e3: int, values: list[float]) -> torch.Tensor:
    """A block with scale 1 whose last four hold `values`, beside what sets their two bits."""
    row = torch.zeros(64)
    row[0] = 7
    row[56] = 7.0 * e2
    row[60:64] = torch.tensor(values)
    return row


@pytest.mark.parametrize(("e2", "e3"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_every_code_of_hif4(e2, e3):
    unit = 2.0 ** (e2 + e3)
    levels = [quarter / 4 * unit for quarter in range(8)]
    for level, sign in itertools.product(levels, (1, -1)):
        row = hif4_row(e2, e3, [sign * level, 1.75 * unit, 0, -1.75 * unit])
        assert torch.equal(HIF4.quantize(row), row)
    # Halfway, values go up.
    for low, high in itertools.pairwise(levels):
        row = hif4_row(e2, e3, [(low + high) / 2, 1.75 * unit, -(low + high) / 2, 0])
        assert HIF4.quantize(row)[60:].tolist() == [high, 1.75 * unit, -high, 0]


def test_magnitudes_of_hif4_at_scale_one():
    """Those that the notes list: quarters below 2, halves below 4, whole numbers to 7."""
    found = set()
    for e2, e3 in itertools.product((0, 1), (0, 1)):
        for value in torch.linspace(0, 1.75 * 2 ** (e2 + e3), 57).tolist():
            found |= set(HIF4.quantize(hif4_row(e2, e3, [value, 1.75 * 2 ** (e2 + e3), 0, 0]))[60:61].tolist())
    fine, middle, coarse = ([step * k for k in range(8)] for step in (0.25, 0.5, 1.0))
    assert found == {*fine, *middle, *coarse}


def test_binary_floor():
    x = torch.tensor([0.0, 1.0, -1.0, 1.99, 2.0, 0.3, -5e-8, 3e38])
    assert binary_floor(x).tolist() == [0, 1, 1, 1, 2, 0.25, 2.0**-25, 2.0**127]
