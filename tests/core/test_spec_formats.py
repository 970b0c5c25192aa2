"""Number formats in specs: text and value, what cannot be, and identifiers of runs that were there before."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morphoquant.core.errors import SpecError
from morphoquant.core.plan import RunPlan
from morphoquant.core.spec import ACTIVATION_FORMATS, ACTIVATION_GRANULARITIES, FORMAT_BITS, WEIGHT_FORMATS, QuantSpec


@pytest.mark.parametrize(
    ("text", "weights", "activations"),
    [
        ("w4a4-mxfp4", "mxfp4", "mxfp4"),
        ("W4A4-NVFP4", "nvfp4", "nvfp4"),
        ("w8a8-e4m3", "e4m3", "e4m3"),
        ("w4a8-hif4", "hif4", "int"),
        ("w8a4-mxfp4", "int", "mxfp4"),
        ("w4a16-nvfp4", "nvfp4", "int"),
        ("w16a8-e5m2", "int", "e5m2"),
        ("w4a8-mxfp4-hif8", "mxfp4", "hif8"),
        ("w4a4-nf4", "nf4", "int"),
        ("w4a4-nf4-amxfp4", "nf4", "mxfp4"),
        ("w4a4-g128-ahif4", "int", "hif4"),
        ("w4a4-whif4-token", "hif4", "int"),
        ("w4a4-wmxfp4-anvfp4", "mxfp4", "nvfp4"),
    ],
)
def test_formats_go_to_the_sides_of_their_width(text, weights, activations):
    spec = QuantSpec.parse(text)
    assert (spec.w_format, spec.a_format) == (weights, activations)
    assert str(spec) == text.lower()


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("w4a4-wmxfp4-amxfp4", "w4a4-mxfp4"),
        ("w4a4-wnf4", "w4a4-nf4"),
        ("w4a8-wmxfp4", "w4a8-mxfp4"),
        ("w4a8-hif8-mxfp4", "w4a8-mxfp4-hif8"),
        ("w4a4-anvfp4-g32", "w4a4-g32-anvfp4"),
    ],
)
def test_one_spec_has_one_text(text, canonical):
    assert str(QuantSpec.parse(text)) == canonical


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from([2, 3, 4, 4, 4, 5, 6, 7, 8, 8, 16]),
    st.sampled_from([2, 3, 4, 4, 4, 5, 6, 7, 8, 8, 16]),
    st.sampled_from(ACTIVATION_GRANULARITIES),
    st.none() | st.integers(1, 999999),
    st.sampled_from(WEIGHT_FORMATS),
    st.sampled_from(ACTIVATION_FORMATS),
)
def test_text_leads_back_to_every_spec_that_can_be(w_bits, a_bits, granularity, group, weights, activations):
    try:
        spec = QuantSpec(w_bits, a_bits, granularity, group, weights, activations)
    except SpecError as error:
        assert str(error).endswith(".") and "\n" not in str(error)
        return
    assert QuantSpec.parse(str(spec)) == spec
    assert spec.activation_suffix in str(spec)


def test_every_pair_of_formats_round_trips():
    sides = {"w": WEIGHT_FORMATS, "a": ACTIVATION_FORMATS}
    texts = set()
    for weights in sides["w"]:
        for activations in sides["a"]:
            bits = (FORMAT_BITS.get(weights, 4), FORMAT_BITS.get(activations, 4))
            spec = QuantSpec(*bits, w_format=weights, a_format=activations)
            assert QuantSpec.parse(str(spec)) == spec
            texts.add(str(spec))
    assert len(texts) == len(WEIGHT_FORMATS) * len(ACTIVATION_FORMATS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("w8a8-mxfp4", "needs weights or activations of 4 bits"),
        ("w4a4-hif8", "needs weights or activations of 8 bits"),
        ("w16a16-e4m3", "needs weights or activations of 8 bits"),
        ("w8a4-nf4", "needs weights of 4 bits"),
        ("w4a4-anf4", "unknown activation format 'nf4'"),
        ("w4a8-amxfp4", "mxfp4 has 4 bits and cannot hold 8-bit activations"),
        ("w8a4-whif4", "hif4 has 4 bits and cannot hold 8-bit weights"),
        ("w4a4-nf4-mxfp4", "w_format twice.* -a<format>"),
        ("w4a4-mxfp4-mxfp4", "twice"),
        ("w4a4-mxfp4-token", "scales of their own: leave out -token"),
        ("w4a4-mxfp4-channel", "scales of their own: leave out -channel"),
        ("w8a8-e4m3-tensor", "scales of their own: leave out -tensor"),
        ("w4a4-g64-hif4", "scales of their own: leave out -g64"),
        ("w4a4-xmxfp4", 'cannot read "-xmxfp4"'),
        ("w4a4-mxfp6", 'cannot read "-mxfp6"'),
        ("w4a4-", 'cannot read "-"'),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence(text, message):
    with pytest.raises(SpecError, match=message) as caught:
        QuantSpec.parse(text)
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")


def test_formats_that_are_not_known_to_the_value():
    for fields in ({"w_format": "fp3"}, {"a_format": "fp3"}, {"a_format": "nf4"}):
        with pytest.raises(SpecError, match="unknown (weight|activation) format"):
            QuantSpec(4, 4, **fields)
    with pytest.raises(SpecError, match="leave out -token"):
        QuantSpec(4, 4, "token", a_format="hif4")


@pytest.mark.parametrize(
    ("text", "static", "suffix"),
    [
        ("w4a4", True, ""),
        ("w4a4-nf4-tensor", True, "-tensor"),
        ("w4a4-token", False, "-token"),
        ("w4a16", False, ""),
        ("w4a8-mxfp4", True, ""),
        ("w4a4-mxfp4", False, "-mxfp4"),
        ("w4a4-nf4-amxfp4", False, "-amxfp4"),
    ],
)
def test_which_activations_are_static(text, static, suffix):
    spec = QuantSpec.parse(text)
    assert (spec.static_activations, spec.activation_suffix) == (static, suffix)


@pytest.mark.parametrize(
    ("spec", "run_id"),
    [
        ("w4a4", "rtn-w4a4-925560573fe5"),
        ("w4a8-g128", "rtn-w4a8-g128-f72b5ed6dca7"),
        ("w4a4-nf4-tensor", "rtn-w4a4-nf4-tensor-6207231da7c0"),
        ("w8a8-token", "rtn-w8a8-token-41835f20bb06"),
        ("w4a16-nf4", "rtn-w4a16-nf4-acebca6f79cc"),
        ("w16a16", "rtn-w16a16-f5f08af5d003"),
    ],
)
def test_identifiers_of_runs_stay(spec, run_id):
    """Computed before there were other formats: stored runs must be found again."""
    plan = RunPlan("quantize", {"id": "m"}, {"id": "d"}, {}, 0, "1", "capture-0", "rtn", {}, str(QuantSpec.parse(spec)))
    assert plan.run_id == run_id


@pytest.mark.parametrize("text", ["\n", "w4\na4", "w4a4-\t\nno"])
def test_errors_stay_on_one_line(text):
    with pytest.raises(SpecError) as told:
        QuantSpec.parse(text)
    assert "\n" not in str(told.value)
