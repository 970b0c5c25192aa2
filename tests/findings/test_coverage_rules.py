"""Rules on what was not seen, each at its threshold and just short of it."""

import hand_made as made
import pytest
from hypothesis import given
from hypothesis import strategies as st

from morphoquant.findings.absent_modality import absent_modality
from morphoquant.findings.constant_channels import constant_channels
from morphoquant.findings.few_tokens import LEAST_TOKENS, few_tokens
from morphoquant.findings.finding import Severity
from morphoquant.findings.not_finite import not_finite
from morphoquant.findings.unknown_modality import unknown_modality
from morphoquant.findings.unreached_inputs import unreached_inputs

ALL_FOUR = dict(text=10, image=10, audio=10, video=1)


def test_one_token_of_each_modality_is_enough_to_be_silent():
    assert absent_modality(made.evidence(tokens=made.tokens(**ALL_FOUR))) == []


def test_a_modality_without_a_token_is_said():
    found = absent_modality(made.evidence(tokens=made.tokens(**ALL_FOUR | {"audio": 0})))
    assert [one.severity for one in found] == [Severity.BLIND]
    assert "No audio token was captured" in found[0].sentence and found[0].runs == (made.CAPTURE,)


def test_a_modality_that_is_measured_but_was_not_captured_names_the_run():
    given_tokens = made.tokens(text=10, image=10, audio=10)
    found = absent_modality(made.evidence(tokens=given_tokens, measured=made.tokens(video=96)))
    assert "rtn w4a4 was measured on 96 of them" in found[0].sentence and found[0].runs == (made.CAPTURE, made.RUN)


def test_without_a_table_of_tokens_nothing_is_said():
    assert absent_modality(made.evidence()) == [] and unknown_modality(made.evidence()) == []


@given(count=st.integers(0, 5))
def test_one_unknown_token_is_enough(count):
    found = unknown_modality(made.evidence(tokens=made.tokens(text=95, unknown=count)))
    assert len(found) == (count >= 1)
    assert all(one.numbers["share"] == pytest.approx(count / (95 + count)) for one in found)


@given(values=st.integers(0, 3))
def test_one_value_that_is_not_finite_is_enough(values):
    found = not_finite(made.evidence(inputs=made.inputs({"layer": "a.b", "modality": "text", "not_finite": values})))
    assert [one.numbers["values"] for one in found] == ([values] if values else [])


@given(count=st.integers(1, 400))
def test_few_tokens_are_fewer_than_199(count):
    found = few_tokens(made.evidence(inputs=made.inputs({"layer": "a.b", "modality": "audio", "tokens": count})))
    assert len(found) == (count < LEAST_TOKENS)
    for one in found:
        assert one.numbers["chance"] == pytest.approx(2 / (count + 1)) and one.numbers["chance"] > 0.01
        assert one.modality == "audio" and one.excess > 0


def test_the_threshold_of_few_tokens_is_a_chance_of_one_percent():
    assert 2 / (LEAST_TOKENS + 1) == 0.01


def test_first_tokens_do_not_count_as_tokens_of_an_input():
    rows = made.inputs(
        {"layer": "a.b", "modality": "image", "tokens": 1000, "position": "first"},
        {"layer": "a.b", "modality": "image", "tokens": 20},
    )
    assert few_tokens(made.evidence(inputs=rows))[0].numbers["fewest_tokens"] == 20


def test_an_expert_that_no_audio_token_reached_is_said():
    rows = made.inputs(
        {"layer": "a.q_proj", "modality": "text", "order": 0},
        {"layer": "a.q_proj", "modality": "audio", "order": 0},
        {"layer": "a.expert_7", "modality": "text", "order": 1},
    )
    found = unreached_inputs(made.evidence(inputs=rows))
    assert [(one.modality, one.numbers["unreached_inputs"], one.numbers["layer"]) for one in found] == [
        ("audio", 1, "a.expert_7")
    ]


def test_an_input_that_every_modality_reached_is_silent():
    rows = made.inputs(*({"layer": layer, "modality": name} for layer in ("a.x", "a.y") for name in ("text", "audio")))
    assert unreached_inputs(made.evidence(inputs=rows)) == []


def test_a_tower_of_one_modality_is_no_gap():
    rows = made.inputs(
        {"layer": "a.x", "modality": "text"},
        {"layer": "a.x", "modality": "image"},
        {"layer": "v.x", "modality": "image", "component": "vision"},
    )
    assert unreached_inputs(made.evidence(inputs=rows)) == []


@given(count=st.integers(0, 3))
def test_one_channel_of_one_value_is_enough(count):
    rows = made.inputs(
        {"layer": "a.b", "modality": "image", "constant": count},
        {"layer": "a.b", "modality": "image", "constant": 9, "position": "first"},
        {"layer": "a.c", "modality": "special", "constant": 9},
    )
    found = constant_channels(made.evidence(inputs=rows))
    told = [(one.numbers["channels"], one.numbers["inputs"], one.modality) for one in found]
    assert told == [(count, 1, "image")] * (count > 0)


def test_the_input_with_most_channels_of_one_value_is_named():
    rows = made.inputs(*({"layer": f"a.{name}", "modality": "text", "constant": count} for name, count in (("b", 2), ("c", 5))))
    (one,) = constant_channels(made.evidence(inputs=rows))
    assert one.numbers == {"channels": 7, "inputs": 2, "most": 5, "layer": "a.c"} and "(5 of 64)" in one.sentence
    assert "7 channels hold one value alone in all tokens of text, in 2 inputs, most in c (language)" in one.sentence
