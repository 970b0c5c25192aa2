"""SpinQuant: orthogonal, never worse than the rotation that it starts from, and better where there is something to learn."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from made_groups import group

from morphoquant.core.errors import SpecError
from morphoquant.core.spec import QuantSpec
from morphoquant.methods.basis import in_basis
from morphoquant.methods.cost import cost_of
from morphoquant.methods.options import parse_method
from morphoquant.methods.output_error import output_error
from morphoquant.methods.rotation_error import RotationError
from morphoquant.methods.rows import search_rows
from morphoquant.quant.orthogonal import Orthogonal, cayley_step
from morphoquant.quant.rotation import Rotation, random_rotation

seeds = st.integers(0, 10**6)


def drawn(seed, rows=160, channels=24):
    """Inputs with a few wide channels and heavy tails."""
    rng = np.random.default_rng(seed)
    x = rng.standard_t(5, (rows, channels)) * rng.lognormal(0, 0.5, channels)
    x[:, rng.choice(channels, 2, replace=False)] *= 30
    return x.astype(np.float32)


def turned(text, inputs, spec):
    return parse_method(text).transform(inputs, QuantSpec.parse(spec))


def off(matrix):
    return float((matrix.T @ matrix - torch.eye(len(matrix), dtype=torch.float64)).abs().max())


@given(seed=seeds, width=st.integers(1, 40), angle=st.floats(1e-3, 1))
@settings(max_examples=40, deadline=None)
def test_any_number_of_steps_stays_orthogonal(seed, width, angle):
    rng = torch.Generator().manual_seed(seed)
    matrix = start = random_rotation(width, seed).input(torch.eye(width, dtype=torch.float64))
    for _ in range(30):
        matrix = cayley_step(matrix, torch.randn(width, width, generator=rng), angle)
    assert off(matrix) < 1e-12 and (width == 1) == torch.equal(matrix, start)


@given(seed=seeds, width=st.integers(2, 12))
@settings(max_examples=25, deadline=None)
def test_a_step_turns_by_its_angle_down_the_slope(seed, width):
    """Of <C, R>, whose slope is known: C."""
    rng = torch.Generator().manual_seed(seed)
    slope = torch.randn(width, width, generator=rng, dtype=torch.float64)
    start = random_rotation(width, seed).input(torch.eye(width, dtype=torch.float64))
    after = cayley_step(start, slope, 1e-4)
    assert float((slope * after).sum()) < float((slope * start).sum())
    assert float((after - start).norm()) / width**0.5 == pytest.approx(1e-4, rel=1e-3)
    assert cayley_step(start, torch.zeros(width, width), 0.1) is start


def test_descent_finds_the_rotation_that_was_applied():
    rng = torch.Generator().manual_seed(0)
    wanted, start = (random_rotation(16, seed).input(torch.eye(16, dtype=torch.float64)) for seed in (1, 2))
    wanted = wanted if torch.linalg.det(wanted) * torch.linalg.det(start) > 0 else wanted * torch.tensor([-1.0] + [1.0] * 15)
    x = torch.randn(64, 16, generator=rng, dtype=torch.float64)
    matrix = start
    for step in range(400):
        matrix = cayley_step(matrix, x.T @ (x @ matrix - x @ wanted), 0.1 * (1 - step / 400))
    assert float((matrix - wanted).abs().max()) < 1e-2


@given(
    seed=seeds,
    spec=st.sampled_from(["w4a4-token", "w4a4", "w4a4-tensor", "w3a16-g8", "w16a4-token", "w2a2", "w4a4-mxfp4", "w4a8-nf4"]),
    width=st.sampled_from([24, 30, 16, 7]),
)
@settings(max_examples=25, deadline=None)
def test_learned_rotations_are_orthogonal_and_never_worse_than_their_start(seed, spec, width):
    inputs, parsed = group(drawn(seed, channels=width)), QuantSpec.parse(spec.replace("-g8", "-g8" if width % 8 == 0 else ""))
    x, root = search_rows(inputs.sample, 512)
    start, found = (parse_method(text).transform(inputs, parsed) for text in ("quarot", "spinquant:steps=6"))
    assert off(found.input(torch.eye(width, dtype=torch.float64))) < 1e-12
    before, after = (output_error(one, inputs, parsed, x, root) for one in (start, found))
    assert after <= before * (1 + 1e-5)
    assert isinstance(found, Orthogonal) == (after < before * (1 - 1e-5)) or after == pytest.approx(before, rel=1e-4)


@pytest.mark.parametrize(("spec", "share"), [("w4a4-token", 0.75), ("w4a4", 0.92), ("w3a16", 0.7)])
def test_what_is_learned_serves_rows_that_were_not_seen(spec, share):
    x = drawn(3, rows=800, channels=32)
    inputs, unseen, parsed = group(x[:400]), group(x[400:]), QuantSpec.parse(spec)
    rows, root = search_rows(unseen.sample, 400)
    errors = [output_error(turned(text, inputs, spec), unseen, parsed, rows, root) for text in ("quarot", "spinquant")]
    assert errors[1] < share * errors[0]


def test_rotated_inputs_are_nearly_normal():
    inputs = group(drawn(1, rows=600, channels=64))

    def kurtosis(x):
        """Of the values of a token, which share a scale."""
        x = x.double() / x.double().square().mean(1, keepdim=True).sqrt()
        return float(x.pow(4).mean())

    before = kurtosis(inputs.sample.x)
    after = kurtosis(turned("spinquant", inputs, "w4a4-token").input(inputs.sample.x))
    assert before > 10 and 2 < after < 3.5


def test_the_gradient_is_that_of_the_error_where_nothing_is_rounded_to_few_levels():
    """At 8 bits rounding is noise around zero, so that the slope of the error is that of its ranges: checked by differences."""
    inputs = group(drawn(0, channels=16))
    measure = RotationError(inputs, QuantSpec.parse("w16a8-token"), *search_rows(inputs.sample, 512))
    matrix = random_rotation(16, 0).input(torch.eye(16, dtype=torch.float64))
    error, gradient = measure(matrix)
    skew = gradient.double() @ matrix.T
    slope = float((skew - skew.T).norm()) / 2**0.5
    angle = 0.02
    after = measure(cayley_step(matrix, gradient, angle))[0]
    expected = slope * angle * 16**0.5 / 2**0.5
    assert 0.3 * expected < error - after < 1.5 * expected


def test_where_the_rotation_stays_that_of_quarot(inputs, down):
    plain = turned("quarot", inputs, "w4a4-token").input(inputs.sample.x)
    for text, given_ in (("spinquant:steps=0", inputs), ("spinquant", down)):
        kept = turned(text, given_, "w4a4-token")
        assert isinstance(kept, Rotation) and torch.equal(kept.input(inputs.sample.x), plain)
    learned = turned("spinquant:steps=4", replace(down, role="gate_proj"), "w4a4-token")
    assert isinstance(learned, Orthogonal)
    other = turned("spinquant:steps=4,seed=5", inputs, "w4a4-token")
    assert not torch.equal(other.input(inputs.sample.x), turned("spinquant:steps=4", inputs, "w4a4-token").input(inputs.sample.x))


def test_weights_may_be_left_to_gptq():
    inputs, spec = group(drawn(2, channels=32)), QuantSpec.parse("w4a4-token")
    x, root = search_rows(inputs.sample, 512)
    both, alone = (turned(text, inputs, "w4a4-token") for text in ("spinquant", "spinquant:weights=false"))
    rounded = [output_error(one, inputs, QuantSpec.parse("w16a4-token"), x, root) for one in (both, alone)]
    assert rounded[1] < rounded[0]
    assert output_error(both, inputs, spec, x, root) < output_error(alone, inputs, spec, x, root)
    weight_alone = turned("spinquant:weights=false", inputs, "w4a16")
    assert isinstance(weight_alone, Orthogonal), "where nothing else is rounded, weights are what is learned for"
    assert in_basis(inputs, weight_alone).channels == 32


def test_a_learned_rotation_costs_a_product(inputs, down):
    learned, kept = (parse_method("spinquant").fit(one, QuantSpec.parse("w4a4-token")) for one in (inputs, down))
    assert cost_of(learned).extra_macs == 32 * 32 and cost_of(learned).extra_bytes == 32 * 32 * 2 and cost_of(learned).deployable
    assert cost_of(kept).extra_macs == 32 * 5


@pytest.mark.parametrize("field", ["seed=-1", "steps=-1", "rows=0", "angle=0", "angle=2"])
def test_fields_out_of_range_are_refused(field):
    with pytest.raises(SpecError, match=f"spinquant.{field.partition('=')[0]} cannot be"):
        parse_method(f"spinquant:{field}")
