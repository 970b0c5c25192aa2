import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from morphoquant.core.errors import SpecError, UnknownNameError
from morphoquant.core.layers import block_of, role_of, short_name
from morphoquant.core.modality import MODALITIES, POSITIONS, SLOT_COUNT, slot, unslot
from morphoquant.core.plan import RunPlan
from morphoquant.core.registry import Registry
from morphoquant.core.spec import ACTIVATION_GRANULARITIES, QuantSpec


def test_slots_are_a_bijection():
    labels = [slot(m, p) for m in MODALITIES for p in POSITIONS]
    assert labels == list(range(SLOT_COUNT))
    assert [slot(*unslot(label)) for label in labels] == labels


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("w4a4", (4, 4, "channel", None, "int", "int")),
        ("W4A8-G128", (4, 8, "channel", 128, "int", "int")),
        ("w8a8-token", (8, 8, "token", None, "int", "int")),
        ("w4a16", (4, 16, "channel", None, "int", "int")),
        ("w4a4-nf4-tensor", (4, 4, "tensor", None, "nf4", "int")),
    ],
)
def test_spec_is_read(text, fields):
    assert dataclasses.astuple(QuantSpec.parse(text)) == fields


@given(
    st.sampled_from([2, 3, 4, 5, 6, 7, 8]),
    st.sampled_from([2, 4, 8, 16]),
    st.sampled_from(ACTIVATION_GRANULARITIES),
    st.none() | st.integers(1, 999999),
)
def test_spec_text_round_trip(w_bits, a_bits, granularity, group):
    spec = QuantSpec(w_bits, a_bits, granularity, group)
    assert QuantSpec.parse(str(spec)) == spec


@pytest.mark.parametrize(
    "text", ["w4b4", "", "w4a", "w1a4", "w4a9", "w4a4-g0", "w4a4-x", "w8a8-nf4", "w4a4-g8-g8", "w16a4-g32", "w4a4-nf4-g64"]
)
def test_bad_spec_is_one_sentence(text):
    with pytest.raises(SpecError) as caught:
        QuantSpec.parse(text)
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")


@given(st.text(max_size=20))
def test_no_text_breaks_the_spec_reader(text):
    try:
        QuantSpec.parse(text)
    except SpecError:
        return


def test_plan_hash_ignores_key_order_and_sees_every_field():
    plan = RunPlan("capture", {"a": 1, "b": 2}, {}, {}, 0, "1")
    assert plan.run_id == dataclasses.replace(plan, model={"b": 2, "a": 1}).run_id
    changes = [{"seed": 1}, {"code": "2"}, {"model": {}}, {"data": {"x": 1}}, {"options": {"x": 1}}, {"kind": "quantize"}]
    ids = {dataclasses.replace(plan, **change).run_id for change in changes} | {plan.run_id}
    assert len(ids) == len(changes) + 1


def test_registry_suggests_and_refuses_doubles():
    registry = Registry("method")
    registry.add("rtn", 1)
    with pytest.raises(UnknownNameError, match="did you mean 'rtn'"):
        registry["rtm"]
    with pytest.raises(ValueError):
        registry.add("rtn", 2)


def test_layer_names():
    assert block_of("model.language_model.layers.3.mlp.down_proj") == 3
    assert block_of("model.visual.merger.mlp.2") is None
    assert role_of("model.visual.merger.mlp.2") == "mlp.2"
    assert role_of("a.layers.3.mlp.down_proj") == "down_proj"
    assert short_name("model.language_model.layers.3.mlp.down_proj") == "L3 mlp.down_proj"
