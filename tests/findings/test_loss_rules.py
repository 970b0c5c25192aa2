"""Rules on measured errors, each at its threshold and just short of it."""

from dataclasses import replace

import hand_made as made
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from morphoquant.findings.channel_error import channel_error, shares
from morphoquant.findings.clipping import clipping
from morphoquant.findings.normal import BIT_DB, NORMAL_DB
from morphoquant.findings.rounding import rounding
from morphoquant.findings.unseen_values import unseen_values
from morphoquant.findings.weights import LEAD_DB, weights
from morphoquant.findings.worst_layer import worst_layer

LIMIT = NORMAL_DB[4] - BIT_DB


def _input(db: float, clip: float, bits: int | None = 4):
    rows = made.errors(made.error("a.down", "audio", db, "input", "activation", clip))
    return made.evidence(errors=rows, bits=bits)


@pytest.mark.parametrize(("rule", "clip", "word"), [(clipping, 0.5, "Clipping"), (rounding, 0.5, "Rounding")])
def test_an_input_is_said_from_a_bit_below_the_yardstick_on(rule, clip, word):
    assert rule(_input(LIMIT + 1e-6, clip)) == []
    (one,) = rule(_input(LIMIT, clip))
    assert one.sentence.startswith(f"{word} makes 50 % of the error of audio at the input of down (language)")
    assert one.excess == pytest.approx(0) and one.numbers["sqnr_db"] == LIMIT


@given(clip=st.floats(0, 1))
def test_the_larger_part_is_the_cause(clip):
    found = _input(5.0, clip)
    assert bool(clipping(found)) == (found.errors["clip_sq"].iat[0] / found.errors["error_sq"].iat[0] >= 0.5)
    assert bool(rounding(found)) == (found.errors["round_sq"].iat[0] / found.errors["error_sq"].iat[0] >= 0.5)
    assert clipping(found) or rounding(found)


@pytest.mark.parametrize("bits", [None, 16])
def test_a_run_whose_activations_are_not_quantised_has_no_cause(bits):
    assert clipping(_input(5.0, 1.0, bits)) == [] and rounding(_input(5.0, 0.0, bits)) == []


def test_the_yardstick_follows_the_bits():
    assert rounding(_input(20.0, 0.0, 4)) == [] and len(rounding(_input(20.0, 0.0, 8))) == 1


def test_the_worst_input_stands_for_its_modality_and_the_others_are_counted():
    rows = [made.error(f"a.{name}", "text", db, "input", "activation") for name, db in (("x", 9.0), ("y", 8.0), ("z", 15.0))]
    (one,) = rounding(made.evidence(errors=made.errors(*rows)))
    assert one.numbers["layer"] == "a.y" and one.numbers["inputs"] == 2 and one.numbers["of"] == 3
    assert "1 further of 3 inputs loses a bit or more in the same way." in one.sentence


def _few(makers: int, width: int = 400, db: float = 10.0, clip: float = 0.0):
    """`makers` equal channels make just over half of an error of `db`, the rest the other half."""
    power = 10 ** (-db / 10)
    error = np.full(width, 0.499999 * power / (width - makers))
    error[:makers] = 0.500001 * power / makers
    frame = made.channels("a.down", "audio", list(clip * error), list((1 - clip) * error))
    return made.evidence(channels=frame, errors=made.errors(made.error("a.down", "audio", db, "input", "activation")))


def test_few_channels_are_at_most_one_percent():
    (one,) = channel_error(_few(4))
    assert one.numbers["channels"] == 4 and one.numbers["width"] == 400
    assert one.sentence.startswith("4 of 400 channels make half of the error of audio")
    assert {type(value) for value in one.numbers.values()} <= {int, float, str} and type(one.links[0].selection.channel) is int
    assert channel_error(_few(5)) == []


def test_an_input_above_the_yardstick_has_nothing_to_mend():
    assert channel_error(_few(1, db=NORMAL_DB[4] + 0.01)) == []
    (one,) = channel_error(_few(1, db=NORMAL_DB[4] - 0.01, clip=1.0))
    assert one.sentence.startswith("One channel makes half") and "100 % of it by clipping" in one.sentence


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=40))
def test_half_of_the_error_takes_no_fewer_channels(error):
    (row,) = shares(made.channels("a.down", "audio", [0.0] * len(error), error)).to_dict("records")
    falling, count = sorted(error, reverse=True), row["half"]
    assert sum(falling[:count]) >= 0.5 * sum(error) * (1 - 1e-9)
    assert count == 1 or sum(falling[: count - 1]) <= 0.5 * sum(error) * (1 + 1e-9)
    assert error[row["channel"]] == falling[0] and row["share"] == pytest.approx(falling[0] / sum(error)) and row["clipped"] == 0


def test_inputs_are_told_apart_and_one_without_error_is_left_out():
    parts = [("a.y", [3.0, 0.0], [0.0, 1.0]), ("a.x", [0.0, 0.0], [2.0, 6.0]), ("a.z", [0.0], [0.0])]
    frame = shares(pd.concat([made.channels(layer, "audio", clip, rest) for layer, clip, rest in parts]))
    rows = frame[["layer", "half", "width", "channel", "share", "clipped"]].values.tolist()
    assert rows == [["a.x", 1, 2, 1, 0.75, 0.0], ["a.y", 1, 2, 0, 0.75, 1.0]]


def test_a_run_that_keeps_no_channels_says_nothing_of_them():
    assert channel_error(replace(_few(1), channels=made.evidence().channels)) == []


def _parts(weight: float, activation: float, both: float):
    alone = {"weight": weight, "activation": activation, "both": both}
    return made.evidence(errors=made.errors(*(made.error("a.q", "text", db, source=name) for name, db in alone.items())))


def test_weights_are_said_from_twice_the_power_on():
    assert weights(_parts(10.0, 10.0 + LEAD_DB - 1e-6, 8.0)) == []
    (one,) = weights(_parts(10.0, 10.0 + LEAD_DB + 1e-9, 8.0))
    assert one.numbers["gain_db"] == pytest.approx(2.0) and "Weights, not activations, hold text back" in one.sentence


def test_a_run_that_quantises_one_side_alone_has_no_sides_to_compare():
    rows = made.errors(made.error("a.q", "text", 5.0, source="weight"))
    assert weights(made.evidence(errors=rows)) == []


def test_weights_pool_powers_not_decibels():
    rows = [made.error("a.loud", "text", db, source=name) for name, db in (("weight", 10.0), ("activation", 20.0), ("both", 9.6))]
    quiet = [
        made.error("a.quiet", "text", db, source=name) for name, db in (("weight", 0.0), ("activation", 40.0), ("both", 0.0))
    ]
    for row in quiet:
        for name in ("signal_sq", "error_sq"):
            row[name] *= 1e-6
    (one,) = weights(made.evidence(errors=made.errors(*rows, *quiet)))
    assert one.numbers["weight_sqnr_db"] == pytest.approx(10.0, abs=0.001)


def _layers(worst: float):
    names = ("a.x", "a.y", "a.z")
    return made.evidence(
        errors=made.errors(*(made.error(n, "audio", db) for n, db in zip(names, (20.0, 20.0, worst), strict=True)))
    )


def test_the_worst_layer_is_said_from_a_bit_below_the_median_on():
    assert worst_layer(_layers(20.0 - BIT_DB + 1e-6)) == []
    (one,) = worst_layer(_layers(20.0 - BIT_DB))
    assert one.numbers["layer"] == "a.z" and one.numbers["median_db"] == 20.0 and one.mend is None
    assert one.sentence == (
        "Audio loses most in z (language): output SQNR 14.0 dB, the lowest of 3 layers and 6.02 dB below their median."
    )


def test_the_worst_layer_tells_its_cause_where_it_was_measured():
    rows = _layers(5.0).errors.to_dict("records")
    rows += [made.error("a.z", "audio", db, source=name) for name, db in (("weight", 12.0), ("activation", 6.0))]
    rows += [made.error("a.first", "audio", 7.0, "input", "activation", 0.9)]
    frame = made.channels("a.first", "audio", [0.0, 0.09, 0.0], [0.0, 0.0, 0.01])
    (one,) = worst_layer(made.evidence(errors=made.errors(*rows), channels=frame, groups={"a.z": "a.first"}))
    assert "Activations make most of it: 6.00 dB with activations alone quantised, 12.0 dB with weights alone." in one.sentence
    assert "Of the error of its input, 90 % is clipping." in one.sentence
    assert "Channel 1 has the largest share of that error, 90 %." in one.sentence
    assert one.links[0].selection.channel == 1


def test_where_weights_make_the_error_the_input_is_not_blamed():
    rows = _layers(5.0).errors.to_dict("records")
    rows += [made.error("a.z", "audio", db, source=name) for name, db in (("weight", 6.0), ("activation", 12.0))]
    rows += [made.error("a.z", "audio", 7.0, "input", "activation", 0.9)]
    (one,) = worst_layer(made.evidence(errors=made.errors(*rows)))
    assert "Weights make most of it" in one.sentence and "input" not in one.sentence


def test_a_layer_without_error_is_not_the_worst():
    assert worst_layer(made.evidence(errors=made.errors(made.error("a.x", "audio", float("inf"))))) == []


def _beyond(share: float, db: float = LIMIT):
    columns = ["layer", "modality", "values", "beyond", "channels", "channel", "beyond_sq", "error_sq"]
    frame = pd.DataFrame([("a.down", "audio", 1000, 7, 2, 5, share * 4.0, 4.0)], columns=columns)
    return made.evidence(beyond=frame, errors=made.errors(made.error("a.down", "audio", db, "input", "activation", 1.0)))


def test_unseen_values_are_said_from_half_of_the_error_on():
    assert unseen_values(_beyond(0.499)) == [] and unseen_values(_beyond(0.5, LIMIT + 1e-6)) == []
    (one,) = unseen_values(_beyond(0.5))
    assert "comes from 7 of 1,000 values, in 2 channels" in one.sentence and one.links[0].selection.channel == 5
