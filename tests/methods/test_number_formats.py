"""Methods with every bit-width and number format: RTN rounds to them, DABC and MorphoQuant bypass before, MDQFO refuses."""

import pytest
import torch
from fixtures.decibels import sqnr_db
from made_groups import draw, group

from morphoquant.core.errors import SpecError
from morphoquant.core.spec import ACTIVATION_FORMATS, FORMAT_BITS, WEIGHT_FORMATS, QuantSpec
from morphoquant.methods.options import parse_method
from morphoquant.quant.formats import ACTIVATIONS, quantize_weight_in
from morphoquant.quant.linear import QuantizedLinear

FORMATS = [name for name in ACTIVATION_FORMATS if name != "int"]
BITS = range(2, 9)


def fit(text, inputs, spec):
    method = parse_method(text)
    return method.fit(inputs, QuantSpec.parse(spec), method.survey({inputs.group: inputs.summary}))


def corrected(found, x):
    xq = found.activation.quantize(x)
    return xq if found.correction is None else found.correction.apply(x, xq)


@pytest.mark.parametrize("suffix", ["", "-token", "-tensor", "-g8"])
def test_every_bit_width_of_weights_and_activations(suffix, inputs):
    x, weight = inputs.sample.x, inputs.weights[inputs.group]
    quality = []
    for bits in BITS:
        found = fit("rtn", inputs, f"w{bits}a{bits}{suffix}")
        xq, wq = corrected(found, x), found.weights[inputs.group]
        assert max(len(row.unique()) for row in wq) <= 2**bits * (4 if suffix == "-g8" else 1)
        lines = xq if suffix == "-token" else xq.T
        assert max(len(line.unique()) for line in lines) <= 2**bits
        quality.append((sqnr_db(x, xq), sqnr_db(weight, wq)))
    for (x_less, w_less), (x_more, w_more) in zip(quality, quality[1:], strict=False):
        assert x_more > x_less and w_more > w_less
    assert quality[-1][1] - quality[-2][1] == pytest.approx(6, abs=1.5), "a bit is 6 dB"


@pytest.mark.parametrize("bits", [2, 3, 5, 6, 7, 8])
def test_widths_of_one_side_leave_the_other(bits, inputs):
    weights, activations = fit("rtn", inputs, f"w{bits}a16"), fit("rtn", inputs, f"w16a{bits}")
    assert weights.activation is None
    assert all(activations.weights[layer] is inputs.weights[layer] for layer in inputs.weights)
    both = fit("rtn", inputs, f"w{bits}a{bits}")
    assert all(torch.equal(both.weights[layer], weights.weights[layer]) for layer in inputs.weights)
    assert torch.equal(corrected(both, inputs.sample.x), corrected(activations, inputs.sample.x))


@pytest.mark.parametrize("activations", ACTIVATION_FORMATS)
@pytest.mark.parametrize("weights", WEIGHT_FORMATS)
def test_rtn_rounds_both_sides_to_their_formats(weights, activations, inputs):
    spec = QuantSpec(FORMAT_BITS.get(weights, 4), FORMAT_BITS.get(activations, 4), w_format=weights, a_format=activations)
    found = fit("rtn", inputs, str(spec))
    x = inputs.sample.x
    if activations != "int":
        assert torch.equal(corrected(found, x), ACTIVATIONS[activations].quantize(x))
        assert found.columns is None and found.correction is None
    for layer, weight in inputs.weights.items():
        if weights != "int":
            assert torch.equal(found.weights[layer], quantize_weight_in(weights, weight))
    linear = torch.nn.Linear(inputs.channels, 8)
    layer = QuantizedLinear(linear, lambda: found.weights[inputs.group], found.activation, found.correction, found.transform)
    torch.testing.assert_close(layer(x), corrected(found, x) @ found.weights[inputs.group].T + linear.bias)


@pytest.mark.parametrize("fields", ["grid=asymmetric", "clip=0.9", "restricted=true"])
def test_rtn_refuses_fields_that_would_do_nothing(fields, inputs):
    for spec in ("w4a4-mxfp4", "w4a4-nf4-ahif4"):
        with pytest.raises(SpecError, match="cannot honour .*, which place integer grids: leave them out"):
            parse_method(f"rtn:{fields}").check(QuantSpec.parse(spec))
    parse_method(f"rtn:{fields}").check(QuantSpec.parse("w4a8-mxfp4"))


@pytest.mark.parametrize("text", ["dabc", "morphoquant", "dabc:variant=paper", "morphoquant:lam=1.5"])
@pytest.mark.parametrize("name", FORMATS)
def test_bypassed_values_are_zeroed_before_their_block_is_scaled(text, name, inputs):
    bits = FORMAT_BITS[name]
    found, integers = fit(text, inputs, f"w{bits}a{bits}-{name}"), fit(text, inputs, f"w{bits}a{bits}")
    x = inputs.sample.x
    kept = found.correction.bypassed(x)
    assert torch.equal(kept, integers.correction.bypassed(x)), "the integer grid places the limit"
    assert found.bypass_density == integers.bypass_density and 0 < found.bypass_density < 1
    out = corrected(found, x)
    assert torch.equal(out[kept], x[kept])
    assert torch.equal(out[~kept], ACTIVATIONS[name].quantize(x.masked_fill(kept, 0))[~kept])
    assert found.columns is None


@pytest.mark.parametrize("name", ["mxfp4", "nvfp4", "hif4", "e4m3"])
def test_a_bypass_leaves_less_error_than_rounding_alone(name, inputs):
    spec, x = f"w16a{FORMAT_BITS[name]}-{name}", inputs.sample.x
    plain, bypassed = (corrected(fit(text, inputs, spec), x) for text in ("rtn", "dabc"))
    assert sqnr_db(x, bypassed) > sqnr_db(x, plain)


def test_all_masked_and_no_limit_is_full_precision(down):
    found = fit("morphoquant:lam=0", down, "w4a4-hif4")
    assert torch.equal(corrected(found, down.sample.x), down.sample.x)


@pytest.mark.parametrize("name", FORMATS)
def test_mdqfo_has_no_grid_to_search_and_says_so(name, inputs):
    spec = QuantSpec.parse(f"w{FORMAT_BITS[name]}a{FORMAT_BITS[name]}-{name}")
    with pytest.raises(SpecError, match=f'cannot honour "-{name}".*or use rtn'):
        parse_method("mdqfo").check(spec)


@pytest.mark.parametrize("name", ["mxfp4", "hif4"])
def test_widths_that_blocks_do_not_divide_and_rows_without_values(name):
    for text in ("rtn", "dabc"):
        for x in (draw(channels=41), draw(channels=41)[:0]):
            found = fit(text, group(x), f"w4a4-{name}")
            assert all(weight.shape[1] == 41 and weight.isfinite().all() for weight in found.weights.values())
            assert corrected(found, torch.from_numpy(draw(channels=41))).isfinite().all()
