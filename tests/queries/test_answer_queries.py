"""Questions put to evaluations: every number is computed by hand from a few items."""

from dataclasses import replace

import numpy as np
import pytest
from fixtures.answer_runs import FULL, item, write_run

from morphoquant.core.errors import CompareError, StoreError, UnknownNameError
from morphoquant.queries.accuracy import accuracy, rows_in_words
from morphoquant.queries.evaluations import (
    calibration_of,
    companions,
    evaluated,
    evaluation_labels,
    full_precision_of,
    side_by_side,
)
from morphoquant.queries.perplexity import perplexity
from morphoquant.store.run_store import RunStore

QUANTISED = replace(FULL, method="rtn", spec="w4a4", capture="capture-1", options={"scope": ["language"]})
LN = np.log


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """Three image items, one text item and one passage pair, in full precision and quantised."""
    store = RunStore(tmp_path_factory.mktemp("few"))
    sure, even = [LN(0.8), LN(0.2)], [LN(0.5), LN(0.5) - 1e-6]
    full = [
        item("image/0", "digits", "image", sure),
        item("image/1", "digits", "image", sure),
        item("image/2", "colours", "image", [LN(0.6), LN(0.3), LN(0.05), LN(0.05)]),
        item("text/0", "facts", "text", [LN(0.2), LN(0.8)]),
        item("image/0", "digits", "image", sure[::-1], control=True),
        item("image/1", "digits", "image", sure, control=True),
    ]
    quantised = [
        item("text/0", "facts", "text", [LN(0.2) - 5, LN(0.8) - 5]),
        item("image/1", "digits", "image", even),
        item("image/0", "digits", "image", [LN(0.4), LN(0.6)]),
        item("image/2", "colours", "image", [LN(0.6), LN(0.3), LN(0.05), LN(0.05)]),
    ]
    passages = [dict(passage="a", tokens=10, nll=20.0), dict(passage="b", tokens=30, nll=70.0)]
    worse = [dict(passage="b", tokens=30, nll=90.0), dict(passage="a", tokens=10, nll=30.0)]
    return (
        store,
        write_run(store, FULL, answers=full, perplexity=passages),
        write_run(store, QUANTISED, answers=quantised, perplexity=worse),
    )


def test_accuracy_by_task_is_the_share_of_right_picks(few):
    _, full, quantised = few
    frame = accuracy([full, quantised], "task").set_index(["label", "task"])
    row = frame.loc[("rtn w4a4", "digits")]
    assert (row["items"], row["right"], row["accuracy"], row["chance"]) == (2, 1, 0.5, 0.5)
    # Wilson for 1 of 2: centre 1/2, half width z / 2 sqrt(1 / (2 + z^2)).
    half = 1.959964 * np.sqrt(1 / (4 * (2 + 1.959964**2)))
    assert (row["low"], row["high"]) == pytest.approx((0.5 - half, 0.5 + half), abs=1e-6)
    assert frame.loc[("full precision", "facts"), "accuracy"] == 0.0
    assert frame.loc[("full precision", "colours"), "chance"] == 0.25
    assert [task for _, task in frame.index[:3]] == ["facts", "colours", "digits"]


def test_kl_is_from_full_precision_to_the_run_over_the_choices(few):
    _, full, quantised = few
    frame = accuracy([full, quantised], "task").set_index(["label", "task"])
    one = 0.8 * LN(0.8 / 0.4) + 0.2 * LN(0.2 / 0.6)
    other = 0.8 * LN(0.8 / 0.5) + 0.2 * LN(0.2 / 0.5)
    row = frame.loc[("rtn w4a4", "digits")]
    assert row["kl"] == pytest.approx((one + other) / 2, abs=1e-5)
    assert row["agreement"] == 0.5
    # A shift of all log-likelihoods of an item is no change of the answer.
    assert frame.loc[("rtn w4a4", "facts"), "kl"] == pytest.approx(0.0, abs=1e-6)
    assert frame.loc[("rtn w4a4", "facts"), "agreement"] == 1.0
    assert frame.loc["full precision", "kl"].isna().all() and frame.loc["full precision", "agreement"].isna().all()


def test_the_control_stands_beside_and_alone(few):
    _, full, _ = few
    frame = accuracy([full], "subject").set_index("subject")
    assert frame.loc["image", "accuracy"] == 1.0 and frame.loc["image", "shuffled"] == 0.5
    assert np.isnan(frame.loc["text", "shuffled"])
    shuffled = accuracy([full], "subject", control=True).set_index("subject")
    assert shuffled.loc["image", "items"] == 2 and shuffled.loc["image", "accuracy"] == 0.5


def test_subjects_pool_the_items_of_their_tasks(few):
    _, full, quantised = few
    row = accuracy([quantised], "subject", reference=full).set_index("subject").loc["image"]
    assert (row["items"], row["right"]) == (3, 2) and row["chance"] == pytest.approx((0.5 + 0.5 + 0.25) / 3)
    assert row["agreement"] == pytest.approx(2 / 3) and np.isfinite(row["kl"])
    alone = accuracy([quantised], "subject").set_index("subject").loc["image"]
    assert np.isnan(alone["kl"]) and np.isnan(alone["shuffled"])


def test_perplexity_adds_tokens_before_it_divides(few):
    _, full, quantised = few
    frame = perplexity([full, quantised]).set_index("label")
    assert frame.loc["full precision", "nll"] == pytest.approx(90 / 40)
    assert frame.loc["rtn w4a4", "perplexity"] == pytest.approx(np.exp(3.0))
    assert frame.loc["rtn w4a4", "ratio"] == pytest.approx(np.exp(3.0 - 2.25))
    assert frame.loc["rtn w4a4", ["passages", "tokens"]].tolist() == [2, 40]
    # Passages differ by +-2.5 nats from the common rate of full precision; of the quantised run by none.
    error = np.sqrt(2 * (2.5**2 + 2.5**2)) / 40
    low, high = np.log(frame.loc["full precision", ["low", "high"]].astype(float))
    assert (high - low) / 2 == pytest.approx(12.706 * error, rel=0.15)
    assert frame.loc["rtn w4a4", "low"] == pytest.approx(frame.loc["rtn w4a4", "high"])


def test_no_passages_is_said(few):
    store, _, _ = few
    bare = write_run(store, replace(FULL, seed=5), answers=[item("a", "t", "text", [0.0, -1.0])])
    with pytest.raises(StoreError, match="no perplexity"):
        perplexity([bare])
    with pytest.raises(StoreError, match="exchanged media"):
        accuracy([bare], control=True)


def test_the_printed_table_has_units_and_intervals(few):
    _, full, quantised = few
    table = rows_in_words(accuracy([full, quantised], "task"))
    assert table["accuracy (%)"].tolist() == [0.0, 100.0, 100.0, 0.0, 100.0, 50.0]
    assert table["95 % interval"].iat[-1] == "9.5 to 90.5" and table["scope"].unique().tolist() == ["none", "language"]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("options.scope", {"options": {"scope": ["language", "vision"]}}),
        ("data.fingerprint", {"data": {**FULL.data, "fingerprint": "3" * 64}}),
        ("seed", {"seed": 1}),
        ("model.id", {"model": {**FULL.model, "id": "other"}}),
        ("capture", {"capture": "capture-2"}),
        ("code", {"code": "2"}),
    ],
)
def test_results_that_do_not_belong_together_are_refused_by_name(few, name, change):
    store, full, quantised = few
    other = write_run(store, replace(QUANTISED, **change), answers=[item("a", "t", "text", [0.0, -1.0])])
    with pytest.raises(CompareError, match=f"differ in {name}:"):
        side_by_side([full, quantised, other])
    if name == "capture":
        assert len(side_by_side([full, quantised, other], captures=True)) == 3
    store.delete(other.run_id)


def test_runs_that_hold_other_items_are_refused(few):
    store, full, _ = few
    other = write_run(store, replace(QUANTISED, spec="w8a8"), answers=[item("image/0", "digits", "image", [0.0, -1.0])])
    with pytest.raises(CompareError, match="3 are in one of them alone, the first is 'image/1'"):
        accuracy([full, other])
    store.delete(other.run_id)


def test_full_precision_is_found_and_labelled(few):
    store, full, quantised = few
    assert full_precision_of(store, quantised).run_id == full.run_id
    assert full_precision_of(store, full) is full
    assert evaluation_labels([quantised, full]) == ["rtn w4a4", "full precision"]
    assert [run.run_id for run in companions(store, quantised)] == [full.run_id, quantised.run_id]
    with pytest.raises(StoreError, match="python -m morphoquant evaluate"):
        evaluated([])
    with pytest.raises(UnknownNameError, match="did you mean 'task'"):
        accuracy([full], "tasks")


def test_companions_of_full_precision_are_one_family(few):
    store, full, quantised = few
    other = write_run(store, replace(QUANTISED, capture="capture-9"), answers=[item("image/0", "digits", "image", [0.0, -1.0])])
    found = [run.run_id for run in companions(store, full)]
    assert found[0] == full.run_id and len(found) == 2
    assert {quantised.run_id, other.run_id} <= {run.run_id for run in companions(store, full, captures=True)}
    store.delete(other.run_id)


def test_a_capture_that_is_gone_is_said(few):
    store, full, quantised = few
    assert calibration_of(store, full) is None
    with pytest.raises(StoreError, match="calibration data are unknown"):
        calibration_of(store, quantised)
