"""What fits cost beyond their product."""

import pytest

from morphoquant.core.spec import QuantSpec
from morphoquant.methods.cost import Cost, cost_of
from morphoquant.methods.options import parse_method


def cost(text, inputs, spec):
    method = parse_method(text)
    return cost_of(method.fit(inputs, QuantSpec.parse(spec), method.survey({inputs.group: inputs.summary})))


def test_rounding_to_nearest_costs_nothing_and_ranges_of_channels_are_simulated(inputs):
    macs = 32 * (8 + 4)
    assert cost("rtn", inputs, "w4a4-token") == Cost(macs, 0, 0, True)
    assert cost("rtn", inputs, "w4a4-tensor") == cost("rtn", inputs, "w4a16") == cost("rtn", inputs, "w4a4-mxfp4") == Cost(macs)
    assert cost("rtn", inputs, "w4a4") == Cost(macs, 0, 0, False)


def test_transforms_cost_what_they_run_online(inputs, down):
    assert cost("smoothquant", inputs, "w4a4-token").extra_macs == 0
    assert cost("smoothquant", inputs, "w4a4-token").extra_bytes == 0
    turned = cost("quarot", inputs, "w4a4-token")
    assert turned.extra_macs == 32 * 5 and turned.extra_bytes == 32 * 2 and turned.deployable
    assert turned.extra_share == pytest.approx(32 * 5 / (32 * 12))
    shifted = cost("osplus:steps=1,shift=always", inputs, "w4a4-token")
    assert shifted.extra_macs == 32 and shifted.extra_bytes == (32 + 12) * 2


def test_bypassed_values_cost_a_product_of_their_own(inputs):
    method = parse_method("dabc")
    found = method.fit(inputs, QuantSpec.parse("w4a4"), None)
    masked = int(found.correction.mask.sum())
    counted = cost_of(found)
    assert counted.extra_macs == pytest.approx(found.bypass_density * 32 * 12) and counted.extra_macs > 0
    assert counted.extra_bytes == 32 / 8 + masked * 2 and not counted.deployable


def test_columns_of_more_bits_are_counted(inputs):
    found = parse_method("llm_int8:threshold=20").fit(inputs, QuantSpec.parse("w8a8-token"))
    masked = int(found.correction.mask.sum())
    counted = cost_of(found)
    assert counted.extra_macs == masked * 12 and counted.deployable
    assert counted.extra_bytes == masked * 12 * 8 / 8 + 32 / 8 + masked * 2
    assert cost("atom:outliers=4,share=1", inputs, "w4a4-token").extra_bytes == 4 * 12 * 4 / 8 + 32 * 2
    assert cost("zeroquant:group=16", inputs, "w4a4-token").extra_bytes == 12 * 2


def test_costs_add_up(inputs, down):
    assert cost("rtn", inputs, "w4a4") + cost("rtn", down, "w4a4-token") == Cost(2 * 32 * 12, 0, 0, False)
    assert Cost().extra_share == 0
