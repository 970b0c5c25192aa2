"""Two evaluations on the same items: counts, tests and words by hand."""

from dataclasses import replace

import pytest
from fixtures.answer_runs import FULL, item, write_run

from morphoquant.core.errors import CompareError, StoreError, UnknownNameError
from morphoquant.queries.paired import baseline_of, paired, verdict_in_words
from morphoquant.store.run_store import RunStore

QUANTISED = replace(FULL, method="rtn", spec="w4a4", capture="capture-1", options={"scope": ["language"]})
RIGHT, WRONG = [0.0, -1.0], [-1.0, 0.0]


def rows(task: str, subject: str, right: list[bool]) -> list[dict]:
    return [item(f"{task}/{place}", task, subject, RIGHT if good else WRONG) for place, good in enumerate(right)]


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Eight digits lost of ten, one fact lost of ten and one gained, no motion touched."""
    store = RunStore(tmp_path_factory.mktemp("two"))
    first = rows("digits", "image", [True] * 10) + rows("motion", "video", [True] * 9 + [False])
    first += rows("facts", "text", [True] * 9 + [False])
    second = rows("digits", "image", [True] * 2 + [False] * 8) + rows("motion", "video", [True] * 9 + [False])
    second += rows("facts", "text", [False] + [True] * 9)
    return store, write_run(store, FULL, answers=first), write_run(store, QUANTISED, answers=second)


def test_pairs_are_counted_and_tested(two):
    _, full, quantised = two
    frame = paired(full, quantised, "task")
    assert frame["task"].tolist() == ["facts", "digits", "motion"]
    frame = frame.set_index("task")
    assert frame.loc["digits", ["both", "first_only", "second_only", "neither"]].tolist() == [2, 8, 0, 0]
    assert frame["difference"].tolist() == [0.0, -0.8, 0.0]
    assert frame["p"].tolist() == pytest.approx([1.0, 2 / 256, 1.0])
    assert frame["p_holm"].tolist() == pytest.approx([1.0, 6 / 256, 1.0])
    assert frame["verdict"].tolist() == ["noise", "differs", "noise"]
    low, high = frame.loc["digits", ["low", "high"]]
    assert -1 < low < -0.8 < high < 0


def test_more_tests_ask_for_more(two):
    _, full, quantised = two
    (row,) = paired(full, quantised, "all").itertuples()
    # 9 lost, 1 gained: 2 (1 + 10) / 1024.
    assert (row.subject, row.items, row.first_only, row.second_only) == ("all", 30, 9, 1)
    assert row.p == row.p_holm == pytest.approx(22 / 1024) and row.verdict == "differs"


def test_turned_round_the_sign_turns(two):
    _, full, quantised = two
    there, back = paired(full, quantised, "subject"), paired(quantised, full, "subject")
    assert back["difference"].tolist() == (-there["difference"]).tolist() and back["p"].tolist() == there["p"].tolist()


def test_words_say_when_it_is_noise(two):
    _, full, quantised = two
    facts, digits, motion = (verdict_in_words(row) for row in paired(full, quantised, "task").itertuples())
    assert facts.startswith("facts: no change (95 % interval") and facts.endswith("not to be told from noise.")
    assert digits.startswith("digits: 80.0 points worse") and digits.endswith("more than noise.")
    assert "p = 0.023" in digits and "8 of 10 items" in digits
    assert motion == "motion: right and wrong on the same 10 items; nothing speaks for a difference."


def test_other_items_and_equal_runs_are_refused(two):
    store, full, quantised = two
    other = write_run(store, replace(QUANTISED, spec="w8a8"), answers=rows("digits", "image", [True] * 9))
    with pytest.raises(CompareError, match="do not hold the same items"):
        paired(full, other)
    with pytest.raises(CompareError, match="against itself"):
        paired(full, full)
    scoped = write_run(store, replace(QUANTISED, options={"scope": ["vision"]}), answers=rows("digits", "image", [True]))
    with pytest.raises(CompareError, match="differ in options.scope:"):
        paired(quantised, scoped)
    with pytest.raises(UnknownNameError, match="known are all, subject, task"):
        paired(full, quantised, "item")
    for run in (other, scoped):
        store.delete(run.run_id)


def test_the_baseline_is_rounding_at_the_same_spec_else_full_precision(answer_runs):
    runs = answer_runs.runs
    ours, rounding = (answer_runs.quantised[method, "w4a4"] for method in ("morphoquant", "rtn"))
    assert baseline_of(ours, runs).run_id == rounding.run_id
    assert baseline_of(rounding, runs).run_id == answer_runs.full.run_id
    assert baseline_of(answer_runs.full, runs) is None
    with pytest.raises(StoreError, match="no evaluation is chosen"):
        paired(answer_runs.full, answer_runs.sensitivity)
