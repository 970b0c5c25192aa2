"""QuantizedLinear and the swap."""

from dataclasses import dataclass, field

import pytest
import torch
from torch import nn

from morphoquant.core.errors import ModelError
from morphoquant.core.modality import PADDING, Modality, Position, slot
from morphoquant.quant.activation import TokenQuantizer
from morphoquant.quant.bypass import Bypass
from morphoquant.quant.channelwise import Scale, Shift
from morphoquant.quant.linear import QuantizedLinear, quantized
from morphoquant.quant.low_rank import LowRank
from morphoquant.quant.residence import stand_in
from morphoquant.quant.transform import Identity
from morphoquant.quant.weight import quantize_weight


@dataclass
class FitOf:
    weights: dict
    activation: object = None
    correction: object = None
    transform: object = field(default_factory=Identity)
    branches: dict = field(default_factory=dict)
    by_modality: dict = field(default_factory=dict)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Sequential(nn.Linear(8, 4, bias=False)))


def x(rows=5):
    return torch.randn(rows, 16, generator=torch.Generator().manual_seed(1))


def fits(model, **parts):
    return {name: FitOf({name: model.get_submodule(name).weight.detach()}, **parts) for name in ("0", "2.0")}


def test_sixteen_bits_leave_the_output_unchanged_to_the_last_bit(model):
    before = model(x())
    with quantized(model, fits(model)) as inside:
        assert isinstance(inside[0], QuantizedLinear)
        assert torch.equal(inside(x()), before)


def test_linears_come_back_also_after_an_error(model):
    originals = model[0], model[2][0]
    with pytest.raises(RuntimeError, match="boom"), quantized(model, fits(model)):
        assert model[0] is not originals[0]
        raise RuntimeError("boom")
    assert (model[0], model[2][0]) == originals


def test_a_fit_that_does_not_belong_to_the_model_changes_nothing(model):
    original = model[0]
    for name, weight, message in (
        ("7.x", torch.zeros(4, 8), "no layer '7.x'"),
        ("1", torch.zeros(4, 8), "is a ReLU"),
        ("2.0", torch.zeros(3, 3), "shape"),
    ):
        broken = fits(model) | {"last": FitOf({name: weight})}
        with pytest.raises(ModelError, match=message), quantized(model, broken):
            pytest.fail("must not be reached")
        assert model[0] is original


def test_composition_is_what_the_formula_says(model):
    linear, rows = model[0], x()
    scale = torch.rand(16, generator=torch.Generator().manual_seed(2)) + 0.5
    transform, activation = Scale(scale.double()), TokenQuantizer(4)
    weight = quantize_weight(transform.weight(linear.weight.detach()), 4)
    bypass = Bypass(torch.arange(16) < 3, torch.full((16,), 0.4))
    layer = QuantizedLinear(linear, lambda: weight, activation, bypass, transform)
    turned = rows / scale
    rounded = activation.quantize(turned)
    expected = (rounded + bypass.residual(turned, rounded)) @ weight.T + linear.bias
    torch.testing.assert_close(layer(rows), expected)


def test_a_transform_alone_changes_nothing(model):
    model.double()
    rows = x().double()
    before = model(rows)
    scale = torch.rand(16, generator=torch.Generator().manual_seed(3), dtype=torch.float64) + 0.1
    transform = Scale(scale.double())
    fit = {"0": FitOf({"0": transform.weight(model[0].weight.detach())}, transform=transform)}
    with quantized(model, fit):
        torch.testing.assert_close(model(rows), before, rtol=1e-10, atol=1e-12)


def test_weights_and_activations_apart(model):
    linear, rows = model[0], x()
    weight = quantize_weight(linear.weight.detach(), 3)
    fit = {"0": FitOf({"0": weight}, activation=TokenQuantizer(3))}
    with quantized(model, fit, activations=False):
        torch.testing.assert_close(model[0](rows), rows @ weight.T + linear.bias)
    with quantized(model, fit, weights=False):
        torch.testing.assert_close(model[0](rows), TokenQuantizer(3).quantize(rows) @ linear.weight.T + linear.bias)


def test_the_constant_of_a_shift_is_carried_as_bias(model):
    """Also where only the weight or only the input is quantised, and where the linear has no bias."""
    shift = Shift(torch.linspace(-3, 3, 16, dtype=torch.float64))
    linear, rows = model[0], x()
    constant = (linear.weight.detach().double() @ shift.shift).float()
    weight = quantize_weight(linear.weight.detach(), 3)
    fit = {"0": FitOf({"0": weight}, activation=TokenQuantizer(3), transform=shift)}
    centred = rows - shift.shift.float()
    rounded = TokenQuantizer(3).quantize(centred)
    with quantized(model, fit):
        torch.testing.assert_close(model[0](rows), rounded @ weight.T + constant + linear.bias)
    with quantized(model, fit, activations=False):
        torch.testing.assert_close(model[0](rows), centred @ weight.T + constant + linear.bias)
    with quantized(model, fit, weights=False):
        torch.testing.assert_close(model[0](rows), rounded @ linear.weight.T + constant + linear.bias)
    with quantized(model, fit, weights=False, activations=False):
        torch.testing.assert_close(model[0](rows), linear(rows))
    bare = model[2][0]
    one = Shift(torch.ones(8, dtype=torch.float64))
    with quantized(model, {"2.0": FitOf({"2.0": bare.weight.detach()}, transform=one)}):
        torch.testing.assert_close(model[2](rows[:, :8]), bare(rows[:, :8]))


def test_half_precision_models_stay_so_and_quantised_layers_round_their_output_alone(model):
    """Levels of 8 bits, rounded to bfloat16 as the input or the weight, would be others."""
    exact, rows = nn.Linear(16, 8), x().bfloat16()
    model.bfloat16()
    exact.load_state_dict(model[0].float().state_dict())
    model[0].bfloat16()
    weight = quantize_weight(exact.weight.detach(), 8)
    parts = {"activation": TokenQuantizer(8), "transform": Scale(torch.linspace(0.5, 2, 16, dtype=torch.float64))}
    with quantized(model, {"0": FitOf({"0": weight}, **parts)}):
        assert model[0].weight.dtype == torch.bfloat16 == model(rows).dtype
        wanted = QuantizedLinear(exact, lambda: weight, parts["activation"], None, parts["transform"])(rows.float())
        assert torch.equal(model[0](rows), wanted.bfloat16()) and torch.equal(model[0](rows.float()), wanted.bfloat16())
    with quantized(model, {"0": FitOf({"0": stand_in(model[0].weight.detach())}, activation=TokenQuantizer(8))}):
        assert torch.equal(model[0](rows), exact(TokenQuantizer(8).quantize(rows.float())).bfloat16())


def test_a_low_rank_branch_takes_the_input_before_it_is_rounded(model):
    linear, rows = model[0], x()
    scale = Scale(torch.linspace(0.5, 2, 16, dtype=torch.float64))
    generator = torch.Generator().manual_seed(4)
    branch = LowRank(torch.randn(16, 2, generator=generator), torch.randn(2, 8, generator=generator))
    weight = quantize_weight(scale.weight(linear.weight.detach()), 3)
    fit = {"0": FitOf({"0": weight}, activation=TokenQuantizer(3), transform=scale, branches={"0": branch})}
    turned = scale.input(rows)
    with quantized(model, fit):
        expected = TokenQuantizer(3).quantize(turned) @ weight.T + turned @ branch.inner @ branch.outer + linear.bias
        torch.testing.assert_close(model[0](rows), expected)
    with quantized(model, fit, weights=False, activations=False):
        torch.testing.assert_close(model[0](rows), linear(rows))
    assert branch.rank == 2


def by_modality(model):
    weight = model[0].weight.detach()
    parts = {
        modality: FitOf({"0": quantize_weight(weight, bits)}, activation=TokenQuantizer(bits))
        for modality, bits in ((Modality.IMAGE, 3), (Modality.AUDIO, 5))
    }
    return {"0": FitOf({"0": quantize_weight(weight, 4)}, activation=TokenQuantizer(4), by_modality=parts)}


def labels(*modalities):
    return torch.tensor([slot(one, Position.REST) if one else PADDING for one in modalities], dtype=torch.int8)


def test_rows_are_quantised_by_their_modality_and_padding_like_the_rest(model):
    fit, linear, rows = by_modality(model), model[0], x(6).reshape(2, 3, 16)
    slots = labels(Modality.TEXT, Modality.IMAGE, None, Modality.AUDIO, Modality.IMAGE, Modality.VIDEO)
    slots[1] = slot(Modality.IMAGE, Position.FIRST)
    with quantized(model, fit):
        model[0].slots = slots
        out = model[0](rows)
    bits = torch.tensor([4, 3, 4, 5, 3, 4]).reshape(2, 3)
    for width in (3, 4, 5):
        wanted = TokenQuantizer(width).quantize(rows) @ quantize_weight(linear.weight.detach(), width).T + linear.bias
        torch.testing.assert_close(out[bits == width], wanted[bits == width])


def test_labels_are_used_once_and_their_absence_is_one_sentence(model):
    with quantized(model, by_modality(model)):
        with pytest.raises(ModelError, match="quantises image, audio unlike other rows.*nobody told it.*quantised_model"):
            model[0](x())
        model[0].slots = labels(*[Modality.TEXT] * 5)
        model[0](x())
        with pytest.raises(ModelError, match="nobody told it"):
            model[0](x())
        model[0].slots = labels(Modality.TEXT)
        with pytest.raises(ModelError, match="told of 1 rows and not of 5"):
            model[0](x())
        assert [name for name, part in model.named_modules() if isinstance(part, nn.Linear)] == ["0", "2.0"]
